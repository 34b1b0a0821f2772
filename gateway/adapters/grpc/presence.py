"""Who has a Trade stream: the core takes a client's orders back when its last one ended, where it is configured so."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.core.events import Cause, Input
from gateway.core.risk.commands import ClientPresence
from gateway.runtime.sequencer import Sequencer


class Presence:
    """Counts the streams of each client whose orders are canceled when it goes away, and tells the core of the first
    and of the last. A connection that broke counts like one that was closed.
    """

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._streams: Counter[str] = Counter()
        self._stopped = False

    @contextmanager
    def of(self, client_id: str) -> Iterator[None]:
        """A stream of the client is open while this is."""
        self._streams[client_id] += 1
        if self._streams[client_id] == 1:
            self._tell(client_id, connected=True)
        try:
            yield
        finally:
            self._streams[client_id] -= 1
            if not self._streams[client_id]:
                del self._streams[client_id]
                self._tell(client_id, connected=False)

    def stop(self) -> None:
        """The gateway stops and ends the streams itself: that no client is away for."""
        self._stopped = True

    def _tell(self, client_id: str, *, connected: bool) -> None:
        risk = self._sequencer.state.risk
        client = risk.setup.clients.get(client_id) or risk.setup.clients.get("*")
        is_awaited = client is not None and client.cancel_on_disconnect_ns is not None
        comes_back = connected and client_id in risk.away  # From when it was configured so, and may be again.
        if self._stopped or not (is_awaited or comes_back):
            return
        fact = ClientPresence(client_id, connected)
        self._sequencer.tell(Input(self._sequencer.now_ns(), Cause("client", client_id), fact))
