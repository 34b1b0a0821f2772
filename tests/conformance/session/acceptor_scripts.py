"""How the scripts of the acceptor's cases are kept: what a client does and has to see in each.

The scripts stand in the files beside, by topic; `SCRIPTS` holds them by the id of the case once those are imported.
Each begins with a connection that has said nothing; `logged_on` marks those that begin with a Logon.
"""

from collections.abc import Callable

from tests.conformance.session.acceptor_wire import Client, utc

Script = Callable[[Client], None]
SCRIPTS: dict[str, Script] = {}


def case(case_id: str) -> Callable[[Script], Script]:
    def keep(script: Script) -> Script:
        SCRIPTS[case_id] = script
        return script

    return keep


def logged_on(case_id: str) -> Callable[[Script], Script]:
    def keep(script: Script) -> Script:
        def whole(client: Client) -> None:
            client.logon()
            script(client)

        SCRIPTS[case_id] = whole
        return script

    return keep


def dup(seconds: float = -1) -> dict[str, str | None]:
    return {"t43": "Y", "t122": utc(seconds)}
