"""What unary calls and the Trade stream have in common: whose account it is, and what an answer is told as."""

from gateway.adapters.grpc.errors import ApiReason, Failure, history_unavailable, refused
from gateway.adapters.grpc.identity import Caller
from gateway.core.commands import SubmitOrder
from gateway.core.engine import Answer
from gateway.pb.v1 import gateway_pb2 as pb


def check_account(caller: Caller, command: SubmitOrder) -> None:
    """An order is for one of the caller's own accounts.

    Raises:
        Failure: PERMISSION_DENIED.
    """
    if command.account not in caller.accounts:
        own = ", ".join(filter(None, caller.accounts)) or "it has none"
        text = f"account {command.account!r} is not one of {caller.id}'s: {own}"
        raise Failure(ApiReason.ACCOUNT_NOT_PERMITTED, text, "account")


def reply(answer: Answer, cl_ord_id: str) -> pb.CommandReply:
    """The reply to a command.

    Raises:
        Failure: the core refused it, or could not look at what it names.
    """
    if answer.out_of_reach:
        raise history_unavailable(answer.out_of_reach).about(cl_ord_id)
    if answer.reason is not None:
        raise refused(answer, cl_ord_id)
    return pb.CommandReply(
        cl_ord_id=cl_ord_id,
        order_id=answer.order_id,
        seq=answer.seq,
        repeated=answer.repeated,
        requested=answer.requested,
    )
