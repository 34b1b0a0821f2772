from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_BUY: _ClassVar[Side]
    SIDE_SELL: _ClassVar[Side]
    SIDE_SELL_SHORT: _ClassVar[Side]
    SIDE_SELL_SHORT_EXEMPT: _ClassVar[Side]

class OrdType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORD_TYPE_UNSPECIFIED: _ClassVar[OrdType]
    ORD_TYPE_MARKET: _ClassVar[OrdType]
    ORD_TYPE_LIMIT: _ClassVar[OrdType]
    ORD_TYPE_STOP: _ClassVar[OrdType]
    ORD_TYPE_STOP_LIMIT: _ClassVar[OrdType]

class TimeInForce(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TIME_IN_FORCE_UNSPECIFIED: _ClassVar[TimeInForce]
    TIME_IN_FORCE_DAY: _ClassVar[TimeInForce]
    TIME_IN_FORCE_GTC: _ClassVar[TimeInForce]
    TIME_IN_FORCE_OPG: _ClassVar[TimeInForce]
    TIME_IN_FORCE_IOC: _ClassVar[TimeInForce]
    TIME_IN_FORCE_FOK: _ClassVar[TimeInForce]
    TIME_IN_FORCE_GTD: _ClassVar[TimeInForce]
    TIME_IN_FORCE_ATC: _ClassVar[TimeInForce]

class OrdStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORD_STATUS_UNSPECIFIED: _ClassVar[OrdStatus]
    ORD_STATUS_NEW: _ClassVar[OrdStatus]
    ORD_STATUS_PARTIALLY_FILLED: _ClassVar[OrdStatus]
    ORD_STATUS_FILLED: _ClassVar[OrdStatus]
    ORD_STATUS_DONE_FOR_DAY: _ClassVar[OrdStatus]
    ORD_STATUS_CANCELED: _ClassVar[OrdStatus]
    ORD_STATUS_PENDING_CANCEL: _ClassVar[OrdStatus]
    ORD_STATUS_STOPPED: _ClassVar[OrdStatus]
    ORD_STATUS_REJECTED: _ClassVar[OrdStatus]
    ORD_STATUS_SUSPENDED: _ClassVar[OrdStatus]
    ORD_STATUS_PENDING_NEW: _ClassVar[OrdStatus]
    ORD_STATUS_CALCULATED: _ClassVar[OrdStatus]
    ORD_STATUS_EXPIRED: _ClassVar[OrdStatus]
    ORD_STATUS_PENDING_REPLACE: _ClassVar[OrdStatus]

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    ORDER_SUBMITTED: _ClassVar[EventType]
    ORDER_ROUTED: _ClassVar[EventType]
    CANCEL_REQUESTED: _ClassVar[EventType]
    REPLACE_REQUESTED: _ClassVar[EventType]
    MASS_CANCEL_DONE: _ClassVar[EventType]
    COMMAND_REFUSED: _ClassVar[EventType]
    STATUS_REQUESTED: _ClassVar[EventType]
    ORDER_PENDING_NEW: _ClassVar[EventType]
    ORDER_ACKNOWLEDGED: _ClassVar[EventType]
    ORDER_REJECTED: _ClassVar[EventType]
    ORDER_UNSENT: _ClassVar[EventType]
    REQUEST_PENDING: _ClassVar[EventType]
    REQUEST_REJECTED: _ClassVar[EventType]
    ORDER_REPLACED: _ClassVar[EventType]
    ORDER_CANCELED: _ClassVar[EventType]
    ORDER_EXPIRED: _ClassVar[EventType]
    ORDER_DONE_FOR_DAY: _ClassVar[EventType]
    ORDER_STOPPED: _ClassVar[EventType]
    ORDER_SUSPENDED: _ClassVar[EventType]
    ORDER_CALCULATED: _ClassVar[EventType]
    ORDER_RESTATED: _ClassVar[EventType]
    ORDER_FILLED: _ClassVar[EventType]
    EXECUTION_CORRECTED: _ClassVar[EventType]
    EXECUTION_BUSTED: _ClassVar[EventType]
    ORDER_STATUS_REPORTED: _ClassVar[EventType]
    QUANTITY_DISPUTED: _ClassVar[EventType]
    ORDER_OVERFILLED: _ClassVar[EventType]
    ORDER_IN_DOUBT: _ClassVar[EventType]
    REPORT_IGNORED: _ClassVar[EventType]
    REPORT_SET_ASIDE: _ClassVar[EventType]
    MESSAGE_REFUSED: _ClassVar[EventType]
    SESSION_ADMINISTERED: _ClassVar[EventType]
    INSTRUMENT_HALTED: _ClassVar[EventType]
    INSTRUMENT_RESUMED: _ClassVar[EventType]
    SESSION_LOGGED_ON: _ClassVar[EventType]
    SESSION_LOGGED_OUT: _ClassVar[EventType]
    EPOCH_BEGAN: _ClassVar[EventType]
    DOUBT_RESOLVED: _ClassVar[EventType]
    EXTERNAL_ORDER_REPORTED: _ClassVar[EventType]
    DROP_COPY_NOTED: _ClassVar[EventType]
    RECONCILIATION_STARTED: _ClassVar[EventType]
    RECONCILIATION_ENDED: _ClassVar[EventType]
    ORDER_ENTRY_OPENED: _ClassVar[EventType]
    ITEM_RAISED: _ClassVar[EventType]
    ITEM_RESOLVED: _ClassVar[EventType]
    ORDER_RETIRED: _ClassVar[EventType]
    KEYS_RETIRED: _ClassVar[EventType]
    ORDER_RECALLED: _ClassVar[EventType]
    KEY_RECALLED: _ClassVar[EventType]
    RISK_CONFIGURED: _ClassVar[EventType]
    LIMIT_PROPOSED: _ClassVar[EventType]
    LIMIT_CHANGED: _ClassVar[EventType]
    LIMIT_DECLINED: _ClassVar[EventType]
    LIMIT_EXPIRED: _ClassVar[EventType]
    OVERRIDE_GRANTED: _ClassVar[EventType]
    OVERRIDE_ENDED: _ClassVar[EventType]
    MARKS_SET: _ClassVar[EventType]
    RISK_DAY_BEGAN: _ClassVar[EventType]
    TRADING_STOPPED: _ClassVar[EventType]
    TRADING_RESUMED: _ClassVar[EventType]
    STOP_COMPLETED: _ClassVar[EventType]
    MASS_CANCEL_SENT: _ClassVar[EventType]
    CLIENT_AWAY: _ClassVar[EventType]
    CLIENT_BACK: _ClassVar[EventType]
    BREACH_BEGAN: _ClassVar[EventType]
    BREACH_ENDED: _ClassVar[EventType]
    MASS_CANCEL_ANSWERED: _ClassVar[EventType]
    OVERRIDE_PROPOSED: _ClassVar[EventType]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_CRITICAL: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_INFO: _ClassVar[Severity]

class DoubtOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOUBT_OUTCOME_UNSPECIFIED: _ClassVar[DoubtOutcome]
    DOUBT_OUTCOME_UNSENT: _ClassVar[DoubtOutcome]
    DOUBT_OUTCOME_ACCEPTED: _ClassVar[DoubtOutcome]
    DOUBT_OUTCOME_REJECTED: _ClassVar[DoubtOutcome]
    DOUBT_OUTCOME_CANCELED: _ClassVar[DoubtOutcome]
SIDE_UNSPECIFIED: Side
SIDE_BUY: Side
SIDE_SELL: Side
SIDE_SELL_SHORT: Side
SIDE_SELL_SHORT_EXEMPT: Side
ORD_TYPE_UNSPECIFIED: OrdType
ORD_TYPE_MARKET: OrdType
ORD_TYPE_LIMIT: OrdType
ORD_TYPE_STOP: OrdType
ORD_TYPE_STOP_LIMIT: OrdType
TIME_IN_FORCE_UNSPECIFIED: TimeInForce
TIME_IN_FORCE_DAY: TimeInForce
TIME_IN_FORCE_GTC: TimeInForce
TIME_IN_FORCE_OPG: TimeInForce
TIME_IN_FORCE_IOC: TimeInForce
TIME_IN_FORCE_FOK: TimeInForce
TIME_IN_FORCE_GTD: TimeInForce
TIME_IN_FORCE_ATC: TimeInForce
ORD_STATUS_UNSPECIFIED: OrdStatus
ORD_STATUS_NEW: OrdStatus
ORD_STATUS_PARTIALLY_FILLED: OrdStatus
ORD_STATUS_FILLED: OrdStatus
ORD_STATUS_DONE_FOR_DAY: OrdStatus
ORD_STATUS_CANCELED: OrdStatus
ORD_STATUS_PENDING_CANCEL: OrdStatus
ORD_STATUS_STOPPED: OrdStatus
ORD_STATUS_REJECTED: OrdStatus
ORD_STATUS_SUSPENDED: OrdStatus
ORD_STATUS_PENDING_NEW: OrdStatus
ORD_STATUS_CALCULATED: OrdStatus
ORD_STATUS_EXPIRED: OrdStatus
ORD_STATUS_PENDING_REPLACE: OrdStatus
EVENT_TYPE_UNSPECIFIED: EventType
ORDER_SUBMITTED: EventType
ORDER_ROUTED: EventType
CANCEL_REQUESTED: EventType
REPLACE_REQUESTED: EventType
MASS_CANCEL_DONE: EventType
COMMAND_REFUSED: EventType
STATUS_REQUESTED: EventType
ORDER_PENDING_NEW: EventType
ORDER_ACKNOWLEDGED: EventType
ORDER_REJECTED: EventType
ORDER_UNSENT: EventType
REQUEST_PENDING: EventType
REQUEST_REJECTED: EventType
ORDER_REPLACED: EventType
ORDER_CANCELED: EventType
ORDER_EXPIRED: EventType
ORDER_DONE_FOR_DAY: EventType
ORDER_STOPPED: EventType
ORDER_SUSPENDED: EventType
ORDER_CALCULATED: EventType
ORDER_RESTATED: EventType
ORDER_FILLED: EventType
EXECUTION_CORRECTED: EventType
EXECUTION_BUSTED: EventType
ORDER_STATUS_REPORTED: EventType
QUANTITY_DISPUTED: EventType
ORDER_OVERFILLED: EventType
ORDER_IN_DOUBT: EventType
REPORT_IGNORED: EventType
REPORT_SET_ASIDE: EventType
MESSAGE_REFUSED: EventType
SESSION_ADMINISTERED: EventType
INSTRUMENT_HALTED: EventType
INSTRUMENT_RESUMED: EventType
SESSION_LOGGED_ON: EventType
SESSION_LOGGED_OUT: EventType
EPOCH_BEGAN: EventType
DOUBT_RESOLVED: EventType
EXTERNAL_ORDER_REPORTED: EventType
DROP_COPY_NOTED: EventType
RECONCILIATION_STARTED: EventType
RECONCILIATION_ENDED: EventType
ORDER_ENTRY_OPENED: EventType
ITEM_RAISED: EventType
ITEM_RESOLVED: EventType
ORDER_RETIRED: EventType
KEYS_RETIRED: EventType
ORDER_RECALLED: EventType
KEY_RECALLED: EventType
RISK_CONFIGURED: EventType
LIMIT_PROPOSED: EventType
LIMIT_CHANGED: EventType
LIMIT_DECLINED: EventType
LIMIT_EXPIRED: EventType
OVERRIDE_GRANTED: EventType
OVERRIDE_ENDED: EventType
MARKS_SET: EventType
RISK_DAY_BEGAN: EventType
TRADING_STOPPED: EventType
TRADING_RESUMED: EventType
STOP_COMPLETED: EventType
MASS_CANCEL_SENT: EventType
CLIENT_AWAY: EventType
CLIENT_BACK: EventType
BREACH_BEGAN: EventType
BREACH_ENDED: EventType
MASS_CANCEL_ANSWERED: EventType
OVERRIDE_PROPOSED: EventType
SEVERITY_UNSPECIFIED: Severity
SEVERITY_CRITICAL: Severity
SEVERITY_WARNING: Severity
SEVERITY_INFO: Severity
DOUBT_OUTCOME_UNSPECIFIED: DoubtOutcome
DOUBT_OUTCOME_UNSENT: DoubtOutcome
DOUBT_OUTCOME_ACCEPTED: DoubtOutcome
DOUBT_OUTCOME_REJECTED: DoubtOutcome
DOUBT_OUTCOME_CANCELED: DoubtOutcome

class Terms(_message.Message):
    __slots__ = ("order_qty", "time_in_force", "price", "stop_px", "expire_time_ns", "max_floor", "cash_order_qty")
    ORDER_QTY_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PX_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOOR_FIELD_NUMBER: _ClassVar[int]
    CASH_ORDER_QTY_FIELD_NUMBER: _ClassVar[int]
    order_qty: str
    time_in_force: TimeInForce
    price: str
    stop_px: str
    expire_time_ns: int
    max_floor: str
    cash_order_qty: str
    def __init__(self, order_qty: _Optional[str] = ..., time_in_force: _Optional[_Union[TimeInForce, str]] = ..., price: _Optional[str] = ..., stop_px: _Optional[str] = ..., expire_time_ns: _Optional[int] = ..., max_floor: _Optional[str] = ..., cash_order_qty: _Optional[str] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("order_id", "client_id", "cl_ord_id", "symbol", "venue", "side", "ord_type", "terms", "ord_status", "cum_qty", "leaves_qty", "avg_px", "account", "strategy", "exec_inst", "venue_order_id", "pending", "in_doubt")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ORD_TYPE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    ORD_STATUS_FIELD_NUMBER: _ClassVar[int]
    CUM_QTY_FIELD_NUMBER: _ClassVar[int]
    LEAVES_QTY_FIELD_NUMBER: _ClassVar[int]
    AVG_PX_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    EXEC_INST_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    IN_DOUBT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    client_id: str
    cl_ord_id: str
    symbol: str
    venue: str
    side: Side
    ord_type: OrdType
    terms: Terms
    ord_status: OrdStatus
    cum_qty: str
    leaves_qty: str
    avg_px: str
    account: str
    strategy: str
    exec_inst: str
    venue_order_id: str
    pending: _containers.RepeatedScalarFieldContainer[str]
    in_doubt: bool
    def __init__(self, order_id: _Optional[str] = ..., client_id: _Optional[str] = ..., cl_ord_id: _Optional[str] = ..., symbol: _Optional[str] = ..., venue: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., ord_type: _Optional[_Union[OrdType, str]] = ..., terms: _Optional[_Union[Terms, _Mapping]] = ..., ord_status: _Optional[_Union[OrdStatus, str]] = ..., cum_qty: _Optional[str] = ..., leaves_qty: _Optional[str] = ..., avg_px: _Optional[str] = ..., account: _Optional[str] = ..., strategy: _Optional[str] = ..., exec_inst: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., pending: _Optional[_Iterable[str]] = ..., in_doubt: _Optional[bool] = ...) -> None: ...

class SubmitOrderRequest(_message.Message):
    __slots__ = ("cl_ord_id", "symbol", "side", "order_qty", "ord_type", "time_in_force", "price", "stop_px", "expire_time_ns", "max_floor", "exec_inst", "account", "strategy", "venue", "cash_order_qty", "locate_id")
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ORDER_QTY_FIELD_NUMBER: _ClassVar[int]
    ORD_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PX_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOOR_FIELD_NUMBER: _ClassVar[int]
    EXEC_INST_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    CASH_ORDER_QTY_FIELD_NUMBER: _ClassVar[int]
    LOCATE_ID_FIELD_NUMBER: _ClassVar[int]
    cl_ord_id: str
    symbol: str
    side: Side
    order_qty: str
    ord_type: OrdType
    time_in_force: TimeInForce
    price: str
    stop_px: str
    expire_time_ns: int
    max_floor: str
    exec_inst: str
    account: str
    strategy: str
    venue: str
    cash_order_qty: str
    locate_id: str
    def __init__(self, cl_ord_id: _Optional[str] = ..., symbol: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., order_qty: _Optional[str] = ..., ord_type: _Optional[_Union[OrdType, str]] = ..., time_in_force: _Optional[_Union[TimeInForce, str]] = ..., price: _Optional[str] = ..., stop_px: _Optional[str] = ..., expire_time_ns: _Optional[int] = ..., max_floor: _Optional[str] = ..., exec_inst: _Optional[str] = ..., account: _Optional[str] = ..., strategy: _Optional[str] = ..., venue: _Optional[str] = ..., cash_order_qty: _Optional[str] = ..., locate_id: _Optional[str] = ...) -> None: ...

class ReplaceOrderRequest(_message.Message):
    __slots__ = ("cl_ord_id", "orig_cl_ord_id", "order_qty", "price", "stop_px", "time_in_force", "expire_time_ns", "max_floor")
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    ORIG_CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_QTY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_PX_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOOR_FIELD_NUMBER: _ClassVar[int]
    cl_ord_id: str
    orig_cl_ord_id: str
    order_qty: str
    price: str
    stop_px: str
    time_in_force: TimeInForce
    expire_time_ns: int
    max_floor: str
    def __init__(self, cl_ord_id: _Optional[str] = ..., orig_cl_ord_id: _Optional[str] = ..., order_qty: _Optional[str] = ..., price: _Optional[str] = ..., stop_px: _Optional[str] = ..., time_in_force: _Optional[_Union[TimeInForce, str]] = ..., expire_time_ns: _Optional[int] = ..., max_floor: _Optional[str] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    __slots__ = ("cl_ord_id", "orig_cl_ord_id")
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    ORIG_CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    cl_ord_id: str
    orig_cl_ord_id: str
    def __init__(self, cl_ord_id: _Optional[str] = ..., orig_cl_ord_id: _Optional[str] = ...) -> None: ...

class MassCancelRequest(_message.Message):
    __slots__ = ("cl_ord_id", "account", "strategy", "symbol", "venue", "side")
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    cl_ord_id: str
    account: str
    strategy: str
    symbol: str
    venue: str
    side: Side
    def __init__(self, cl_ord_id: _Optional[str] = ..., account: _Optional[str] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ..., venue: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ...) -> None: ...

class RequestOrderStatusRequest(_message.Message):
    __slots__ = ("orig_cl_ord_id", "client_id")
    ORIG_CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    orig_cl_ord_id: str
    client_id: str
    def __init__(self, orig_cl_ord_id: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class CommandReply(_message.Message):
    __slots__ = ("cl_ord_id", "order_id", "seq", "repeated", "requested")
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    cl_ord_id: str
    order_id: str
    seq: int
    repeated: bool
    requested: int
    def __init__(self, cl_ord_id: _Optional[str] = ..., order_id: _Optional[str] = ..., seq: _Optional[int] = ..., repeated: _Optional[bool] = ..., requested: _Optional[int] = ...) -> None: ...

class GetOrderRequest(_message.Message):
    __slots__ = ("order_id", "cl_ord_id", "client_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    cl_ord_id: str
    client_id: str
    def __init__(self, order_id: _Optional[str] = ..., cl_ord_id: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class Execution(_message.Message):
    __slots__ = ("exec_id", "trade_date", "last_qty", "last_px", "exec_ref_id", "in_force", "time_ns", "kind", "factor")
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    TRADE_DATE_FIELD_NUMBER: _ClassVar[int]
    LAST_QTY_FIELD_NUMBER: _ClassVar[int]
    LAST_PX_FIELD_NUMBER: _ClassVar[int]
    EXEC_REF_ID_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    exec_id: str
    trade_date: str
    last_qty: str
    last_px: str
    exec_ref_id: str
    in_force: bool
    time_ns: int
    kind: str
    factor: str
    def __init__(self, exec_id: _Optional[str] = ..., trade_date: _Optional[str] = ..., last_qty: _Optional[str] = ..., last_px: _Optional[str] = ..., exec_ref_id: _Optional[str] = ..., in_force: _Optional[bool] = ..., time_ns: _Optional[int] = ..., kind: _Optional[str] = ..., factor: _Optional[str] = ...) -> None: ...

class OrderRequest(_message.Message):
    __slots__ = ("cl_ord_id", "venue_cl_ord_id", "kind", "state", "in_doubt", "text")
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IN_DOUBT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    cl_ord_id: str
    venue_cl_ord_id: str
    kind: str
    state: str
    in_doubt: bool
    text: str
    def __init__(self, cl_ord_id: _Optional[str] = ..., venue_cl_ord_id: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., in_doubt: _Optional[bool] = ..., text: _Optional[str] = ...) -> None: ...

class GetOrderResponse(_message.Message):
    __slots__ = ("order", "executions", "requests", "as_of_seq", "executions_total")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    order: Order
    executions: _containers.RepeatedCompositeFieldContainer[Execution]
    requests: _containers.RepeatedCompositeFieldContainer[OrderRequest]
    as_of_seq: int
    executions_total: int
    def __init__(self, order: _Optional[_Union[Order, _Mapping]] = ..., executions: _Optional[_Iterable[_Union[Execution, _Mapping]]] = ..., requests: _Optional[_Iterable[_Union[OrderRequest, _Mapping]]] = ..., as_of_seq: _Optional[int] = ..., executions_total: _Optional[int] = ...) -> None: ...

class ListOrdersRequest(_message.Message):
    __slots__ = ("account", "strategy", "symbol", "venue", "ord_status", "working", "page_size", "page_token", "client_id")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    ORD_STATUS_FIELD_NUMBER: _ClassVar[int]
    WORKING_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    account: str
    strategy: str
    symbol: str
    venue: str
    ord_status: _containers.RepeatedScalarFieldContainer[OrdStatus]
    working: bool
    page_size: int
    page_token: str
    client_id: str
    def __init__(self, account: _Optional[str] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ..., venue: _Optional[str] = ..., ord_status: _Optional[_Iterable[_Union[OrdStatus, str]]] = ..., working: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class ListOrdersResponse(_message.Message):
    __slots__ = ("orders", "next_page_token", "as_of_seq")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    next_page_token: str
    as_of_seq: int
    def __init__(self, orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., as_of_seq: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("seq", "time_ns", "type", "order", "cl_ord_id", "exec_id", "exec_ref_id", "last_qty", "last_px", "trade_date", "transact_time_ns", "reason", "text", "venue", "symbol", "field", "operator", "scope", "control", "source", "change_id", "until_ns", "limit", "old_limit", "value", "severity", "reason_tag", "complete")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_REF_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_QTY_FIELD_NUMBER: _ClassVar[int]
    LAST_PX_FIELD_NUMBER: _ClassVar[int]
    TRADE_DATE_FIELD_NUMBER: _ClassVar[int]
    TRANSACT_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    OLD_LIMIT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    REASON_TAG_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    time_ns: int
    type: EventType
    order: Order
    cl_ord_id: str
    exec_id: str
    exec_ref_id: str
    last_qty: str
    last_px: str
    trade_date: str
    transact_time_ns: int
    reason: str
    text: str
    venue: str
    symbol: str
    field: str
    operator: str
    scope: str
    control: str
    source: str
    change_id: str
    until_ns: int
    limit: Limit
    old_limit: Limit
    value: str
    severity: Severity
    reason_tag: int
    complete: bool
    def __init__(self, seq: _Optional[int] = ..., time_ns: _Optional[int] = ..., type: _Optional[_Union[EventType, str]] = ..., order: _Optional[_Union[Order, _Mapping]] = ..., cl_ord_id: _Optional[str] = ..., exec_id: _Optional[str] = ..., exec_ref_id: _Optional[str] = ..., last_qty: _Optional[str] = ..., last_px: _Optional[str] = ..., trade_date: _Optional[str] = ..., transact_time_ns: _Optional[int] = ..., reason: _Optional[str] = ..., text: _Optional[str] = ..., venue: _Optional[str] = ..., symbol: _Optional[str] = ..., field: _Optional[str] = ..., operator: _Optional[str] = ..., scope: _Optional[str] = ..., control: _Optional[str] = ..., source: _Optional[str] = ..., change_id: _Optional[str] = ..., until_ns: _Optional[int] = ..., limit: _Optional[_Union[Limit, _Mapping]] = ..., old_limit: _Optional[_Union[Limit, _Mapping]] = ..., value: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., reason_tag: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class EventFilter(_message.Message):
    __slots__ = ("account", "strategy", "symbol", "venue", "types")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    account: str
    strategy: str
    symbol: str
    venue: str
    types: _containers.RepeatedScalarFieldContainer[EventType]
    def __init__(self, account: _Optional[str] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ..., venue: _Optional[str] = ..., types: _Optional[_Iterable[_Union[EventType, str]]] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("from_seq", "filter")
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    from_seq: int
    filter: EventFilter
    def __init__(self, from_seq: _Optional[int] = ..., filter: _Optional[_Union[EventFilter, _Mapping]] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("events", "next_seq")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    next_seq: int
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., next_seq: _Optional[int] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("submit_order", "replace_order", "cancel_order", "mass_cancel", "request_order_status")
    SUBMIT_ORDER_FIELD_NUMBER: _ClassVar[int]
    REPLACE_ORDER_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ORDER_FIELD_NUMBER: _ClassVar[int]
    MASS_CANCEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ORDER_STATUS_FIELD_NUMBER: _ClassVar[int]
    submit_order: SubmitOrderRequest
    replace_order: ReplaceOrderRequest
    cancel_order: CancelOrderRequest
    mass_cancel: MassCancelRequest
    request_order_status: RequestOrderStatusRequest
    def __init__(self, submit_order: _Optional[_Union[SubmitOrderRequest, _Mapping]] = ..., replace_order: _Optional[_Union[ReplaceOrderRequest, _Mapping]] = ..., cancel_order: _Optional[_Union[CancelOrderRequest, _Mapping]] = ..., mass_cancel: _Optional[_Union[MassCancelRequest, _Mapping]] = ..., request_order_status: _Optional[_Union[RequestOrderStatusRequest, _Mapping]] = ...) -> None: ...

class TradeRequest(_message.Message):
    __slots__ = ("subscribe", "commands")
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    subscribe: SubscribeRequest
    commands: _containers.RepeatedCompositeFieldContainer[Command]
    def __init__(self, subscribe: _Optional[_Union[SubscribeRequest, _Mapping]] = ..., commands: _Optional[_Iterable[_Union[Command, _Mapping]]] = ...) -> None: ...

class TradeReply(_message.Message):
    __slots__ = ("cl_ord_id", "reply", "error")
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    cl_ord_id: str
    reply: CommandReply
    error: _status_pb2.Status
    def __init__(self, cl_ord_id: _Optional[str] = ..., reply: _Optional[_Union[CommandReply, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TradeResponse(_message.Message):
    __slots__ = ("replies", "events", "next_seq")
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    replies: _containers.RepeatedCompositeFieldContainer[TradeReply]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    next_seq: int
    def __init__(self, replies: _Optional[_Iterable[_Union[TradeReply, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., next_seq: _Optional[int] = ...) -> None: ...

class LaneHello(_message.Message):
    __slots__ = ("client_id", "request_id")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    request_id: str
    def __init__(self, client_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("account", "strategy", "symbol", "currency", "net_qty", "avg_entry_px", "realized_pnl", "multiplier", "bought_qty", "sold_qty")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    NET_QTY_FIELD_NUMBER: _ClassVar[int]
    AVG_ENTRY_PX_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    BOUGHT_QTY_FIELD_NUMBER: _ClassVar[int]
    SOLD_QTY_FIELD_NUMBER: _ClassVar[int]
    account: str
    strategy: str
    symbol: str
    currency: str
    net_qty: str
    avg_entry_px: str
    realized_pnl: str
    multiplier: str
    bought_qty: str
    sold_qty: str
    def __init__(self, account: _Optional[str] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ..., currency: _Optional[str] = ..., net_qty: _Optional[str] = ..., avg_entry_px: _Optional[str] = ..., realized_pnl: _Optional[str] = ..., multiplier: _Optional[str] = ..., bought_qty: _Optional[str] = ..., sold_qty: _Optional[str] = ...) -> None: ...

class ListPositionsRequest(_message.Message):
    __slots__ = ("account", "strategy", "symbol", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    strategy: str
    symbol: str
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., strategy: _Optional[str] = ..., symbol: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPositionsResponse(_message.Message):
    __slots__ = ("positions", "as_of_seq", "next_page_token")
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    as_of_seq: int
    next_page_token: str
    def __init__(self, positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., as_of_seq: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("venue", "begin_string", "sender_comp_id", "target_comp_id", "logged_on", "enabled", "next_sender_msg_seq_num", "next_target_msg_seq_num", "last_received_ns", "last_sent_ns", "connects_to", "send_refusals", "order_entry_open", "reconciling", "drop_copy_of")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    BEGIN_STRING_FIELD_NUMBER: _ClassVar[int]
    SENDER_COMP_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_COMP_ID_FIELD_NUMBER: _ClassVar[int]
    LOGGED_ON_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    NEXT_SENDER_MSG_SEQ_NUM_FIELD_NUMBER: _ClassVar[int]
    NEXT_TARGET_MSG_SEQ_NUM_FIELD_NUMBER: _ClassVar[int]
    LAST_RECEIVED_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_SENT_NS_FIELD_NUMBER: _ClassVar[int]
    CONNECTS_TO_FIELD_NUMBER: _ClassVar[int]
    SEND_REFUSALS_FIELD_NUMBER: _ClassVar[int]
    ORDER_ENTRY_OPEN_FIELD_NUMBER: _ClassVar[int]
    RECONCILING_FIELD_NUMBER: _ClassVar[int]
    DROP_COPY_OF_FIELD_NUMBER: _ClassVar[int]
    venue: str
    begin_string: str
    sender_comp_id: str
    target_comp_id: str
    logged_on: bool
    enabled: bool
    next_sender_msg_seq_num: int
    next_target_msg_seq_num: int
    last_received_ns: int
    last_sent_ns: int
    connects_to: str
    send_refusals: int
    order_entry_open: bool
    reconciling: bool
    drop_copy_of: str
    def __init__(self, venue: _Optional[str] = ..., begin_string: _Optional[str] = ..., sender_comp_id: _Optional[str] = ..., target_comp_id: _Optional[str] = ..., logged_on: _Optional[bool] = ..., enabled: _Optional[bool] = ..., next_sender_msg_seq_num: _Optional[int] = ..., next_target_msg_seq_num: _Optional[int] = ..., last_received_ns: _Optional[int] = ..., last_sent_ns: _Optional[int] = ..., connects_to: _Optional[str] = ..., send_refusals: _Optional[int] = ..., order_entry_open: _Optional[bool] = ..., reconciling: _Optional[bool] = ..., drop_copy_of: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ...) -> None: ...

class LogonRequest(_message.Message):
    __slots__ = ("venue", "reason")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    venue: str
    reason: str
    def __init__(self, venue: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class LogoutRequest(_message.Message):
    __slots__ = ("venue", "reason")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    venue: str
    reason: str
    def __init__(self, venue: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SetSequenceNumbersRequest(_message.Message):
    __slots__ = ("venue", "reason", "next_sender_msg_seq_num", "next_target_msg_seq_num")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NEXT_SENDER_MSG_SEQ_NUM_FIELD_NUMBER: _ClassVar[int]
    NEXT_TARGET_MSG_SEQ_NUM_FIELD_NUMBER: _ClassVar[int]
    venue: str
    reason: str
    next_sender_msg_seq_num: int
    next_target_msg_seq_num: int
    def __init__(self, venue: _Optional[str] = ..., reason: _Optional[str] = ..., next_sender_msg_seq_num: _Optional[int] = ..., next_target_msg_seq_num: _Optional[int] = ...) -> None: ...

class HaltInstrumentRequest(_message.Message):
    __slots__ = ("symbol", "reason")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    reason: str
    def __init__(self, symbol: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ResumeInstrumentRequest(_message.Message):
    __slots__ = ("symbol", "reason")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    reason: str
    def __init__(self, symbol: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReconcileRequest(_message.Message):
    __slots__ = ("venue", "reason")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    venue: str
    reason: str
    def __init__(self, venue: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OpenOrderEntryRequest(_message.Message):
    __slots__ = ("venue", "reason")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    venue: str
    reason: str
    def __init__(self, venue: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("item_id", "venue", "kind", "severity", "text", "order_id", "venue_order_id", "exec_id", "ours", "theirs", "raised_ns", "seq")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    EXEC_ID_FIELD_NUMBER: _ClassVar[int]
    OURS_FIELD_NUMBER: _ClassVar[int]
    THEIRS_FIELD_NUMBER: _ClassVar[int]
    RAISED_NS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    venue: str
    kind: str
    severity: Severity
    text: str
    order_id: str
    venue_order_id: str
    exec_id: str
    ours: str
    theirs: str
    raised_ns: int
    seq: int
    def __init__(self, item_id: _Optional[str] = ..., venue: _Optional[str] = ..., kind: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., text: _Optional[str] = ..., order_id: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., exec_id: _Optional[str] = ..., ours: _Optional[str] = ..., theirs: _Optional[str] = ..., raised_ns: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class ListItemsRequest(_message.Message):
    __slots__ = ("venue",)
    VENUE_FIELD_NUMBER: _ClassVar[int]
    venue: str
    def __init__(self, venue: _Optional[str] = ...) -> None: ...

class ListItemsResponse(_message.Message):
    __slots__ = ("items", "as_of_seq")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    as_of_seq: int
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., as_of_seq: _Optional[int] = ...) -> None: ...

class ResolveItemRequest(_message.Message):
    __slots__ = ("item_id", "reason")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    reason: str
    def __init__(self, item_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DoubtfulRequest(_message.Message):
    __slots__ = ("order", "venue_cl_ord_id", "cl_ord_id", "kind", "sent_ns")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    VENUE_CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SENT_NS_FIELD_NUMBER: _ClassVar[int]
    order: Order
    venue_cl_ord_id: str
    cl_ord_id: str
    kind: str
    sent_ns: int
    def __init__(self, order: _Optional[_Union[Order, _Mapping]] = ..., venue_cl_ord_id: _Optional[str] = ..., cl_ord_id: _Optional[str] = ..., kind: _Optional[str] = ..., sent_ns: _Optional[int] = ...) -> None: ...

class ListInDoubtRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListInDoubtResponse(_message.Message):
    __slots__ = ("requests", "as_of_seq", "total")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[DoubtfulRequest]
    as_of_seq: int
    total: int
    def __init__(self, requests: _Optional[_Iterable[_Union[DoubtfulRequest, _Mapping]]] = ..., as_of_seq: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class ResolveDoubtRequest(_message.Message):
    __slots__ = ("order_id", "venue_cl_ord_id", "outcome", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    venue_cl_ord_id: str
    outcome: DoubtOutcome
    reason: str
    def __init__(self, order_id: _Optional[str] = ..., venue_cl_ord_id: _Optional[str] = ..., outcome: _Optional[_Union[DoubtOutcome, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class ExternalOrder(_message.Message):
    __slots__ = ("venue", "venue_order_id", "venue_cl_ord_id", "venue_symbol", "side", "ord_status", "order_qty", "cum_qty", "price", "account", "first_ns", "last_ns")
    VENUE_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_CL_ORD_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ORD_STATUS_FIELD_NUMBER: _ClassVar[int]
    ORDER_QTY_FIELD_NUMBER: _ClassVar[int]
    CUM_QTY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_NS_FIELD_NUMBER: _ClassVar[int]
    LAST_NS_FIELD_NUMBER: _ClassVar[int]
    venue: str
    venue_order_id: str
    venue_cl_ord_id: str
    venue_symbol: str
    side: Side
    ord_status: OrdStatus
    order_qty: str
    cum_qty: str
    price: str
    account: str
    first_ns: int
    last_ns: int
    def __init__(self, venue: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., venue_cl_ord_id: _Optional[str] = ..., venue_symbol: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., ord_status: _Optional[_Union[OrdStatus, str]] = ..., order_qty: _Optional[str] = ..., cum_qty: _Optional[str] = ..., price: _Optional[str] = ..., account: _Optional[str] = ..., first_ns: _Optional[int] = ..., last_ns: _Optional[int] = ...) -> None: ...

class ListExternalOrdersRequest(_message.Message):
    __slots__ = ("venue",)
    VENUE_FIELD_NUMBER: _ClassVar[int]
    venue: str
    def __init__(self, venue: _Optional[str] = ...) -> None: ...

class ListExternalOrdersResponse(_message.Message):
    __slots__ = ("orders", "as_of_seq")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[ExternalOrder]
    as_of_seq: int
    def __init__(self, orders: _Optional[_Iterable[_Union[ExternalOrder, _Mapping]]] = ..., as_of_seq: _Optional[int] = ...) -> None: ...

class AdminReply(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class SetAsideReport(_message.Message):
    __slots__ = ("seq", "time_ns", "venue", "why", "report_json")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    REPORT_JSON_FIELD_NUMBER: _ClassVar[int]
    seq: int
    time_ns: int
    venue: str
    why: str
    report_json: str
    def __init__(self, seq: _Optional[int] = ..., time_ns: _Optional[int] = ..., venue: _Optional[str] = ..., why: _Optional[str] = ..., report_json: _Optional[str] = ...) -> None: ...

class ListSetAsideRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSetAsideResponse(_message.Message):
    __slots__ = ("reports", "total")
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[SetAsideReport]
    total: int
    def __init__(self, reports: _Optional[_Iterable[_Union[SetAsideReport, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

class GetOverviewRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetOverviewResponse(_message.Message):
    __slots__ = ("seq", "epoch", "version", "started_ns", "orders", "working_orders", "executions", "in_doubt", "disputed", "set_aside", "halted_symbols", "order_to_ack_p50_us", "order_to_ack_p99_us", "command_queue", "subscribers", "open_items", "critical_items", "retired_orders", "snapshot_seq", "stops", "breaches")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_NS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    WORKING_ORDERS_FIELD_NUMBER: _ClassVar[int]
    EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    IN_DOUBT_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_FIELD_NUMBER: _ClassVar[int]
    SET_ASIDE_FIELD_NUMBER: _ClassVar[int]
    HALTED_SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    ORDER_TO_ACK_P50_US_FIELD_NUMBER: _ClassVar[int]
    ORDER_TO_ACK_P99_US_FIELD_NUMBER: _ClassVar[int]
    COMMAND_QUEUE_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBERS_FIELD_NUMBER: _ClassVar[int]
    OPEN_ITEMS_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_ITEMS_FIELD_NUMBER: _ClassVar[int]
    RETIRED_ORDERS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_SEQ_FIELD_NUMBER: _ClassVar[int]
    STOPS_FIELD_NUMBER: _ClassVar[int]
    BREACHES_FIELD_NUMBER: _ClassVar[int]
    seq: int
    epoch: int
    version: str
    started_ns: int
    orders: int
    working_orders: int
    executions: int
    in_doubt: int
    disputed: int
    set_aside: int
    halted_symbols: _containers.RepeatedScalarFieldContainer[str]
    order_to_ack_p50_us: int
    order_to_ack_p99_us: int
    command_queue: int
    subscribers: int
    open_items: int
    critical_items: int
    retired_orders: int
    snapshot_seq: int
    stops: int
    breaches: int
    def __init__(self, seq: _Optional[int] = ..., epoch: _Optional[int] = ..., version: _Optional[str] = ..., started_ns: _Optional[int] = ..., orders: _Optional[int] = ..., working_orders: _Optional[int] = ..., executions: _Optional[int] = ..., in_doubt: _Optional[int] = ..., disputed: _Optional[int] = ..., set_aside: _Optional[int] = ..., halted_symbols: _Optional[_Iterable[str]] = ..., order_to_ack_p50_us: _Optional[int] = ..., order_to_ack_p99_us: _Optional[int] = ..., command_queue: _Optional[int] = ..., subscribers: _Optional[int] = ..., open_items: _Optional[int] = ..., critical_items: _Optional[int] = ..., retired_orders: _Optional[int] = ..., snapshot_seq: _Optional[int] = ..., stops: _Optional[int] = ..., breaches: _Optional[int] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("value", "per_s", "after")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PER_S_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    value: str
    per_s: int
    after: str
    def __init__(self, value: _Optional[str] = ..., per_s: _Optional[int] = ..., after: _Optional[str] = ...) -> None: ...

class LimitRow(_message.Message):
    __slots__ = ("scope", "control", "unit", "limit", "set_at", "source", "until_ns", "before", "used")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    SET_AT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    scope: str
    control: str
    unit: str
    limit: Limit
    set_at: str
    source: str
    until_ns: int
    before: Limit
    used: str
    def __init__(self, scope: _Optional[str] = ..., control: _Optional[str] = ..., unit: _Optional[str] = ..., limit: _Optional[_Union[Limit, _Mapping]] = ..., set_at: _Optional[str] = ..., source: _Optional[str] = ..., until_ns: _Optional[int] = ..., before: _Optional[_Union[Limit, _Mapping]] = ..., used: _Optional[str] = ...) -> None: ...

class ListLimitsRequest(_message.Message):
    __slots__ = ("scope", "control")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    scope: str
    control: str
    def __init__(self, scope: _Optional[str] = ..., control: _Optional[str] = ...) -> None: ...

class ListLimitsResponse(_message.Message):
    __slots__ = ("limits", "currency", "as_of_seq")
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    limits: _containers.RepeatedCompositeFieldContainer[LimitRow]
    currency: str
    as_of_seq: int
    def __init__(self, limits: _Optional[_Iterable[_Union[LimitRow, _Mapping]]] = ..., currency: _Optional[str] = ..., as_of_seq: _Optional[int] = ...) -> None: ...

class SetLimitRequest(_message.Message):
    __slots__ = ("scope", "control", "unit", "limit", "expires_ns", "reason")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_NS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    scope: str
    control: str
    unit: str
    limit: Limit
    expires_ns: int
    reason: str
    def __init__(self, scope: _Optional[str] = ..., control: _Optional[str] = ..., unit: _Optional[str] = ..., limit: _Optional[_Union[Limit, _Mapping]] = ..., expires_ns: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class SetLimitResponse(_message.Message):
    __slots__ = ("seq", "change_id")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    seq: int
    change_id: str
    def __init__(self, seq: _Optional[int] = ..., change_id: _Optional[str] = ...) -> None: ...

class Proposal(_message.Message):
    __slots__ = ("change_id", "scope", "control", "unit", "limit", "in_force", "operator", "reason", "expires_ns", "override_until_ns", "lapses_ns")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_NS_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    LAPSES_NS_FIELD_NUMBER: _ClassVar[int]
    change_id: str
    scope: str
    control: str
    unit: str
    limit: Limit
    in_force: Limit
    operator: str
    reason: str
    expires_ns: int
    override_until_ns: int
    lapses_ns: int
    def __init__(self, change_id: _Optional[str] = ..., scope: _Optional[str] = ..., control: _Optional[str] = ..., unit: _Optional[str] = ..., limit: _Optional[_Union[Limit, _Mapping]] = ..., in_force: _Optional[_Union[Limit, _Mapping]] = ..., operator: _Optional[str] = ..., reason: _Optional[str] = ..., expires_ns: _Optional[int] = ..., override_until_ns: _Optional[int] = ..., lapses_ns: _Optional[int] = ...) -> None: ...

class ListProposalsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListProposalsResponse(_message.Message):
    __slots__ = ("proposals", "as_of_seq")
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    proposals: _containers.RepeatedCompositeFieldContainer[Proposal]
    as_of_seq: int
    def __init__(self, proposals: _Optional[_Iterable[_Union[Proposal, _Mapping]]] = ..., as_of_seq: _Optional[int] = ...) -> None: ...

class DecideChangeRequest(_message.Message):
    __slots__ = ("change_id", "approve", "reason")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    change_id: str
    approve: bool
    reason: str
    def __init__(self, change_id: _Optional[str] = ..., approve: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class GrantOverrideRequest(_message.Message):
    __slots__ = ("scope", "control", "until_ns", "reason")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    scope: str
    control: str
    until_ns: int
    reason: str
    def __init__(self, scope: _Optional[str] = ..., control: _Optional[str] = ..., until_ns: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class GrantOverrideResponse(_message.Message):
    __slots__ = ("seq", "change_id")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    seq: int
    change_id: str
    def __init__(self, seq: _Optional[int] = ..., change_id: _Optional[str] = ...) -> None: ...

class EndOverrideRequest(_message.Message):
    __slots__ = ("scope", "control", "reason")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    scope: str
    control: str
    reason: str
    def __init__(self, scope: _Optional[str] = ..., control: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Override(_message.Message):
    __slots__ = ("scope", "control", "until_ns")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    scope: str
    control: str
    until_ns: int
    def __init__(self, scope: _Optional[str] = ..., control: _Optional[str] = ..., until_ns: _Optional[int] = ...) -> None: ...

class ListOverridesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListOverridesResponse(_message.Message):
    __slots__ = ("overrides", "as_of_seq")
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    overrides: _containers.RepeatedCompositeFieldContainer[Override]
    as_of_seq: int
    def __init__(self, overrides: _Optional[_Iterable[_Union[Override, _Mapping]]] = ..., as_of_seq: _Optional[int] = ...) -> None: ...

class StopTradingRequest(_message.Message):
    __slots__ = ("scope", "reason", "keep_orders", "allow_reducing")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    KEEP_ORDERS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_REDUCING_FIELD_NUMBER: _ClassVar[int]
    scope: str
    reason: str
    keep_orders: bool
    allow_reducing: bool
    def __init__(self, scope: _Optional[str] = ..., reason: _Optional[str] = ..., keep_orders: _Optional[bool] = ..., allow_reducing: _Optional[bool] = ...) -> None: ...

class ResumeTradingRequest(_message.Message):
    __slots__ = ("scope", "source", "reason")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    scope: str
    source: str
    reason: str
    def __init__(self, scope: _Optional[str] = ..., source: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Stop(_message.Message):
    __slots__ = ("scope", "source", "reason", "operator", "cancels", "allow_reducing", "needs_person", "until_ns", "stopped_ns", "completed", "open_orders")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    CANCELS_FIELD_NUMBER: _ClassVar[int]
    ALLOW_REDUCING_FIELD_NUMBER: _ClassVar[int]
    NEEDS_PERSON_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NS_FIELD_NUMBER: _ClassVar[int]
    STOPPED_NS_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    scope: str
    source: str
    reason: str
    operator: str
    cancels: bool
    allow_reducing: bool
    needs_person: bool
    until_ns: int
    stopped_ns: int
    completed: bool
    open_orders: int
    def __init__(self, scope: _Optional[str] = ..., source: _Optional[str] = ..., reason: _Optional[str] = ..., operator: _Optional[str] = ..., cancels: _Optional[bool] = ..., allow_reducing: _Optional[bool] = ..., needs_person: _Optional[bool] = ..., until_ns: _Optional[int] = ..., stopped_ns: _Optional[int] = ..., completed: _Optional[bool] = ..., open_orders: _Optional[int] = ...) -> None: ...

class ListStopsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListStopsResponse(_message.Message):
    __slots__ = ("stops", "as_of_seq")
    STOPS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    stops: _containers.RepeatedCompositeFieldContainer[Stop]
    as_of_seq: int
    def __init__(self, stops: _Optional[_Iterable[_Union[Stop, _Mapping]]] = ..., as_of_seq: _Optional[int] = ...) -> None: ...

class Mark(_message.Message):
    __slots__ = ("symbol", "px", "bid", "ask")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    PX_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    px: str
    bid: str
    ask: str
    def __init__(self, symbol: _Optional[str] = ..., px: _Optional[str] = ..., bid: _Optional[str] = ..., ask: _Optional[str] = ...) -> None: ...

class SetMarksRequest(_message.Message):
    __slots__ = ("marks", "rates")
    class RatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MARKS_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    marks: _containers.RepeatedCompositeFieldContainer[Mark]
    rates: _containers.ScalarMap[str, str]
    def __init__(self, marks: _Optional[_Iterable[_Union[Mark, _Mapping]]] = ..., rates: _Optional[_Mapping[str, str]] = ...) -> None: ...

class MarkRow(_message.Message):
    __slots__ = ("mark", "currency", "set_ns")
    MARK_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SET_NS_FIELD_NUMBER: _ClassVar[int]
    mark: Mark
    currency: str
    set_ns: int
    def __init__(self, mark: _Optional[_Union[Mark, _Mapping]] = ..., currency: _Optional[str] = ..., set_ns: _Optional[int] = ...) -> None: ...

class ListMarksRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class ListMarksResponse(_message.Message):
    __slots__ = ("marks", "rates", "currency", "as_of_seq", "total")
    class RatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MARKS_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    marks: _containers.RepeatedCompositeFieldContainer[MarkRow]
    rates: _containers.ScalarMap[str, str]
    currency: str
    as_of_seq: int
    total: int
    def __init__(self, marks: _Optional[_Iterable[_Union[MarkRow, _Mapping]]] = ..., rates: _Optional[_Mapping[str, str]] = ..., currency: _Optional[str] = ..., as_of_seq: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Use(_message.Message):
    __slots__ = ("control", "used", "limit")
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    control: str
    used: str
    limit: str
    def __init__(self, control: _Optional[str] = ..., used: _Optional[str] = ..., limit: _Optional[str] = ...) -> None: ...

class Exposure(_message.Message):
    __slots__ = ("scope", "parent", "symbol", "long_notional", "short_notional", "net_notional", "gross_notional", "open_buys", "open_sells", "open_orders", "realized_profit", "unrealized_profit", "day_profit", "day_high", "drawdown", "margin", "margin_used", "correlated_exposure", "worst_scenario", "worst_scenario_loss", "net_qty", "uses")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    LONG_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    SHORT_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    NET_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    GROSS_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    OPEN_BUYS_FIELD_NUMBER: _ClassVar[int]
    OPEN_SELLS_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PROFIT_FIELD_NUMBER: _ClassVar[int]
    UNREALIZED_PROFIT_FIELD_NUMBER: _ClassVar[int]
    DAY_PROFIT_FIELD_NUMBER: _ClassVar[int]
    DAY_HIGH_FIELD_NUMBER: _ClassVar[int]
    DRAWDOWN_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    MARGIN_USED_FIELD_NUMBER: _ClassVar[int]
    CORRELATED_EXPOSURE_FIELD_NUMBER: _ClassVar[int]
    WORST_SCENARIO_FIELD_NUMBER: _ClassVar[int]
    WORST_SCENARIO_LOSS_FIELD_NUMBER: _ClassVar[int]
    NET_QTY_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    scope: str
    parent: str
    symbol: str
    long_notional: str
    short_notional: str
    net_notional: str
    gross_notional: str
    open_buys: str
    open_sells: str
    open_orders: int
    realized_profit: str
    unrealized_profit: str
    day_profit: str
    day_high: str
    drawdown: str
    margin: str
    margin_used: str
    correlated_exposure: str
    worst_scenario: str
    worst_scenario_loss: str
    net_qty: str
    uses: _containers.RepeatedCompositeFieldContainer[Use]
    def __init__(self, scope: _Optional[str] = ..., parent: _Optional[str] = ..., symbol: _Optional[str] = ..., long_notional: _Optional[str] = ..., short_notional: _Optional[str] = ..., net_notional: _Optional[str] = ..., gross_notional: _Optional[str] = ..., open_buys: _Optional[str] = ..., open_sells: _Optional[str] = ..., open_orders: _Optional[int] = ..., realized_profit: _Optional[str] = ..., unrealized_profit: _Optional[str] = ..., day_profit: _Optional[str] = ..., day_high: _Optional[str] = ..., drawdown: _Optional[str] = ..., margin: _Optional[str] = ..., margin_used: _Optional[str] = ..., correlated_exposure: _Optional[str] = ..., worst_scenario: _Optional[str] = ..., worst_scenario_loss: _Optional[str] = ..., net_qty: _Optional[str] = ..., uses: _Optional[_Iterable[_Union[Use, _Mapping]]] = ...) -> None: ...

class GetExposureRequest(_message.Message):
    __slots__ = ("scope", "level", "children", "page_size", "page_token")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    scope: str
    level: str
    children: bool
    page_size: int
    page_token: str
    def __init__(self, scope: _Optional[str] = ..., level: _Optional[str] = ..., children: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetExposureResponse(_message.Message):
    __slots__ = ("rows", "currency", "as_of_seq", "next_page_token")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[Exposure]
    currency: str
    as_of_seq: int
    next_page_token: str
    def __init__(self, rows: _Optional[_Iterable[_Union[Exposure, _Mapping]]] = ..., currency: _Optional[str] = ..., as_of_seq: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchExposureRequest(_message.Message):
    __slots__ = ("scope", "level", "children", "interval_ms")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    scope: str
    level: str
    children: bool
    interval_ms: int
    def __init__(self, scope: _Optional[str] = ..., level: _Optional[str] = ..., children: _Optional[bool] = ..., interval_ms: _Optional[int] = ...) -> None: ...

class WatchExposureResponse(_message.Message):
    __slots__ = ("rows", "currency", "as_of_seq", "time_ns", "truncated")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[Exposure]
    currency: str
    as_of_seq: int
    time_ns: int
    truncated: bool
    def __init__(self, rows: _Optional[_Iterable[_Union[Exposure, _Mapping]]] = ..., currency: _Optional[str] = ..., as_of_seq: _Optional[int] = ..., time_ns: _Optional[int] = ..., truncated: _Optional[bool] = ...) -> None: ...

class Breach(_message.Message):
    __slots__ = ("scope", "control", "severity", "value", "limit", "text", "symbol")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    scope: str
    control: str
    severity: Severity
    value: str
    limit: str
    text: str
    symbol: str
    def __init__(self, scope: _Optional[str] = ..., control: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., value: _Optional[str] = ..., limit: _Optional[str] = ..., text: _Optional[str] = ..., symbol: _Optional[str] = ...) -> None: ...

class ListBreachesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListBreachesResponse(_message.Message):
    __slots__ = ("breaches", "as_of_seq")
    BREACHES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQ_FIELD_NUMBER: _ClassVar[int]
    breaches: _containers.RepeatedCompositeFieldContainer[Breach]
    as_of_seq: int
    def __init__(self, breaches: _Optional[_Iterable[_Union[Breach, _Mapping]]] = ..., as_of_seq: _Optional[int] = ...) -> None: ...
