"""The messages of the benchmark, as bytes: one order is a TradeRequest of its own, several are their bytes in a row.

Encoded before a slice begins, by putting the ClOrdID(11) into a message that was encoded once.
"""

from functools import cache

from gateway.pb.v1 import gateway_pb2 as pb

METHOD = "/gateway.v1.OrderService/Trade"
SYMBOLS = tuple(f"S{number:02}" for number in range(20))
ACCOUNTS = tuple(f"A{number}" for number in range(20))
PRICE = "100"
STRATEGY = "bench"
_ANSWERS = (pb.ORDER_ACKNOWLEDGED, pb.ORDER_REJECTED, pb.ORDER_CANCELED)
_KEY, _QTY = b"#" * 20, b"@@@"


def cl_ord_id(slice_no: int, index: int) -> str:
    """The key of one order of a slice; always of the same length."""
    return f"{slice_no:08}-{index:011}"


def index_of(key: str, slice_no: int) -> int | None:
    """Which order of this slice has the key; None when it belongs to another one."""
    return int(key[9:]) if int(key[:8]) == slice_no else None


def subscription() -> bytes:
    """The first message of a stream: what venues say of orders is wanted too."""
    return pb.TradeRequest(subscribe=pb.SubscribeRequest(filter=pb.EventFilter(types=_ANSWERS))).SerializeToString()


def order(number: int, key: str) -> bytes:
    """A BUY order that rests; numbered from the start of the run, so that no two of its kind are alike for long."""
    turn, symbol = divmod(number, len(SYMBOLS))
    turn, account = divmod(turn, len(ACCOUNTS))
    template = _order(SYMBOLS[symbol], ACCOUNTS[account])
    return template.replace(_KEY, key.encode()).replace(_QTY, b"%d" % (100 + turn % 900))


@cache
def _order(symbol: str, account: str) -> bytes:
    asked = pb.SubmitOrderRequest(
        cl_ord_id=_KEY.decode(),
        symbol=symbol,
        side=pb.SIDE_BUY,
        order_qty=_QTY.decode(),
        ord_type=pb.ORD_TYPE_LIMIT,
        price=PRICE,
        account=account,
        strategy=STRATEGY,
    )
    return pb.TradeRequest(commands=[pb.Command(submit_order=asked)]).SerializeToString()


def cancel(key: str) -> bytes:
    """The end of that order."""
    asked = pb.CancelOrderRequest(cl_ord_id=f"C{key}", orig_cl_ord_id=key)
    return pb.TradeRequest(commands=[pb.Command(cancel_order=asked)]).SerializeToString()
