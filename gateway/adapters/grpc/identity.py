"""Who calls, and what they may do. Every method of every service has a rule here, or the server does not start."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple, Protocol

from gateway.adapters.grpc.errors import ApiReason, Failure
from gateway.codec.proto import fields
from gateway.config import ClientConfig
from gateway.core.events import Cause

CLIENT_ID = "client-id"
REQUEST_ID = "request-id"


class Access(Enum):
    """Who may call a method."""

    OPEN = "open"
    ANY_CLIENT = "any client"
    TRADER = "trader"
    OPERATOR = "operator"
    PRICES = "operator or market_data"

    def admits(self, role: str) -> bool:
        """Whether a client of this role may call."""
        return self in {Access.OPEN, Access.ANY_CLIENT} or role in self.value.split(" or ")


RULES: dict[str, Access] = {
    # Operators do not trade: who watches over orders has none of his own.
    "gateway.v1.OrderService/SubmitOrder": Access.TRADER,
    "gateway.v1.OrderService/ReplaceOrder": Access.TRADER,
    "gateway.v1.OrderService/CancelOrder": Access.TRADER,
    "gateway.v1.OrderService/MassCancel": Access.TRADER,
    "gateway.v1.OrderService/Trade": Access.TRADER,
    "gateway.v1.OrderService/RequestOrderStatus": Access.ANY_CLIENT,
    "gateway.v1.OrderService/GetOrder": Access.ANY_CLIENT,
    "gateway.v1.OrderService/ListOrders": Access.ANY_CLIENT,
    "gateway.v1.EventService/Subscribe": Access.ANY_CLIENT,
    "gateway.v1.PositionService/ListPositions": Access.ANY_CLIENT,
    "gateway.v1.AdminService/GetOverview": Access.OPERATOR,
    "gateway.v1.AdminService/ListSessions": Access.OPERATOR,
    "gateway.v1.AdminService/Logon": Access.OPERATOR,
    "gateway.v1.AdminService/Logout": Access.OPERATOR,
    "gateway.v1.AdminService/SetSequenceNumbers": Access.OPERATOR,
    "gateway.v1.AdminService/HaltInstrument": Access.OPERATOR,
    "gateway.v1.AdminService/ResumeInstrument": Access.OPERATOR,
    "gateway.v1.AdminService/ListSetAside": Access.OPERATOR,
    "gateway.v1.AdminService/Reconcile": Access.OPERATOR,
    "gateway.v1.AdminService/OpenOrderEntry": Access.OPERATOR,
    "gateway.v1.AdminService/ListItems": Access.OPERATOR,
    "gateway.v1.AdminService/ResolveItem": Access.OPERATOR,
    "gateway.v1.AdminService/ListInDoubt": Access.OPERATOR,
    "gateway.v1.AdminService/ResolveDoubt": Access.OPERATOR,
    "gateway.v1.AdminService/ListExternalOrders": Access.OPERATOR,
    "gateway.v1.RiskService/ListLimits": Access.OPERATOR,
    "gateway.v1.RiskService/SetLimit": Access.OPERATOR,
    "gateway.v1.RiskService/ListProposals": Access.OPERATOR,
    "gateway.v1.RiskService/DecideChange": Access.OPERATOR,
    "gateway.v1.RiskService/GrantOverride": Access.OPERATOR,
    "gateway.v1.RiskService/EndOverride": Access.OPERATOR,
    "gateway.v1.RiskService/ListOverrides": Access.OPERATOR,
    "gateway.v1.RiskService/StopTrading": Access.OPERATOR,
    "gateway.v1.RiskService/ResumeTrading": Access.OPERATOR,
    "gateway.v1.RiskService/ListStops": Access.OPERATOR,
    "gateway.v1.RiskService/SetMarks": Access.PRICES,
    "gateway.v1.RiskService/ListMarks": Access.OPERATOR,
    "gateway.v1.RiskService/GetExposure": Access.OPERATOR,
    "gateway.v1.RiskService/WatchExposure": Access.OPERATOR,
    "gateway.v1.RiskService/ListBreaches": Access.OPERATOR,
    # Probes and tools ask before they are anybody; both tell nothing about orders.
    "grpc.health.v1.Health/Check": Access.OPEN,
    "grpc.health.v1.Health/Watch": Access.OPEN,
    "grpc.health.v1.Health/List": Access.OPEN,
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Access.OPEN,
}


class MissingRule(Exception):
    """A method has no rule. The server refuses to start."""


def check_rules(methods: Iterable[str], rules: Mapping[str, Access] = RULES) -> None:
    """Every method has a rule.

    Raises:
        MissingRule: one has none; the message names it.
    """
    missing = sorted(method for method in methods if method not in rules)
    if missing:
        raise MissingRule(f"no rule says who may call {', '.join(missing)}")


class Caller(NamedTuple):
    """Who calls. `accounts` are those it may trade in and see, the first is the default; `cause` is journaled."""

    id: str
    role: str
    accounts: tuple[str, ...]
    cause: Cause

    @property
    def is_operator(self) -> bool:
        """Whether it administers and sees everything."""
        return self.role == "operator"

    def owner(self, client_id: str) -> str:
        """Whose orders a request is about: an operator may name a client, anybody else is asking for himself.

        Raises:
            Failure: PERMISSION_DENIED.
        """
        if self.is_operator or client_id in ("", self.id):
            return fields.name("client_id", client_id) or self.id
        raise Failure(ApiReason.ROLE_REQUIRED, "only an operator may name another client", "client_id")


class Authenticator(Protocol):
    """Tells who calls. Certificates and tokens take the place of `ConfiguredClients` behind this."""

    def authenticate(self, context: Any, metadata: Mapping[str, str]) -> Caller | None:
        """The caller; None when it is nobody that we know."""


class ConfiguredClients:
    """Believes the metadata key "client-id" when it names a configured client.

    For loopback and Unix sockets, where the system keeps strangers out.
    """

    def __init__(self, clients: Iterable[ClientConfig]) -> None:
        self._callers = {client.id: _caller(client) for client in clients}

    def authenticate(self, _context: Any, metadata: Mapping[str, str]) -> Caller | None:
        """The configured client of that name."""
        return self._callers.get(metadata.get(CLIENT_ID, ""))


def _caller(client: ClientConfig) -> Caller:
    kind = "operator" if client.role == "operator" else "client"
    return Caller(client.id, client.role, client.accounts or ("",), Cause(kind, client.id))


class Call(NamedTuple):
    """One admitted call: who, why (for the journal), and gRPC's context, which streams write to. `gathered` where a
    stream's messages are all read at once, and not one after the other.
    """

    caller: Caller
    cause: Cause
    context: Any
    gathered: bool = False


def admit(authenticator: Authenticator, access: Access, context: Any) -> Call:
    """Let a call in.

    Raises:
        Failure: UNAUTHENTICATED or PERMISSION_DENIED.
        InvalidField: a request id that is none.
    """
    metadata = _metadata(context)
    caller = authenticator.authenticate(context, metadata)
    if caller is None:
        raise Failure(ApiReason.CLIENT_UNKNOWN, f'metadata "{CLIENT_ID}" has to name one configured client', CLIENT_ID)
    if not access.admits(caller.role):
        raise Failure(ApiReason.ROLE_REQUIRED, f"this is for the role {access.value}, which {caller.id} does not have")
    request = metadata.get(REQUEST_ID)
    if request is None:
        return Call(caller, caller.cause, context)
    return Call(caller, Cause(caller.cause.kind, caller.id, request=fields.key(REQUEST_ID, request)), context)


def _metadata(context: Any) -> dict[str, str]:
    """The keys we read. One that comes twice counts as not given: whose word would hold?"""
    found: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if key in {CLIENT_ID, REQUEST_ID}:
            found[key] = "" if key in found or not isinstance(value, str) else value
    return found
