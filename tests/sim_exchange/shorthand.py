"""In short: what the exchange is asked to do wrong, and what a client gets from it."""

Messages = list[dict[int, str]]


def short(messages: Messages) -> list[tuple[str | None, ...]]:
    """ClOrdID, ExecType, OrdStatus, CumQty, LeavesQty of reports; the type and reason of anything else."""
    return [
        (m.get(11), m[150], m[39], m[14], m[151]) if m[35] == "8" else (m.get(11), m[35], m.get(39), m.get(102))
        for m in messages
    ]


def sequence(messages: Messages) -> list[tuple[str, str | None, str | None]]:
    """ClOrdID, MsgSeqNum, PossDupFlag or PossResend."""
    return [(m[11], m[34], "dup" if m.get(43) else "resend" if m.get(97) else None) for m in messages]


def fault(kind: str, **values: object) -> str:
    """One fault of the exchange's configuration."""
    lines = "\n".join(f"{k} = {v if isinstance(v, int | float) else repr(v)}" for k, v in values.items())
    return f'[[fault]]\nkind = "{kind}"\n{lines}\n'.replace("'", '"')
