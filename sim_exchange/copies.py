"""Drop copies: which reports of the order sessions go to which other sessions as well. It only decides."""

import msgspec

from sim_exchange.config import Config
from sim_exchange.enums import ExecType
from sim_exchange.messages import Reply, Report

_EXECUTIONS = frozenset((ExecType.TRADE, ExecType.TRADE_CORRECT, ExecType.TRADE_CANCEL))


class DropCopies:
    """The drop-copy sessions of a venue, `names`, and what each of them gets."""

    def __init__(self, config: Config) -> None:
        self.names = frozenset(config.identity(c).name for c in config.drop_copy)
        self._of = {
            config.identity(s).name: [
                (config.identity(c).name, c.reports == "all") for c in config.drop_copy if not c.of or s.client in c.of
            ]
            for s in config.session
        }

    def of(self, reply: Reply) -> list[Report]:
        """The copies of one reply. Answers to status requests are one client's own, they are not copied."""
        if not isinstance(reply, Report) or reply.exec_type is ExecType.ORDER_STATUS:
            return []
        return [
            msgspec.structs.replace(reply, owner=name, copied=True)
            for name, everything in self._of.get(reply.owner, [])
            if everything or reply.exec_type in _EXECUTIONS
        ]
