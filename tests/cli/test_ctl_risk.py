"""`gatewayctl risk`: what it asks of the gateway, and what people read."""

from typing import Any

import grpc
import pytest
from rich.console import Console
from rich.text import Text

from gateway.cli import ctl_risk, tables_risk
from gateway.cli.tables import event_line
from gateway.pb.v1 import gateway_pb2 as pb
from tests.cli.conftest import Run
from tests.cli.fake_gateway import NOON_NS, FakeGateway
from tests.cli.test_ctl import document, words

SECOND_NS = 1_000_000_000


def a_stop(**changes: Any) -> pb.Stop:
    stop = pb.Stop(
        scope="account:ACC1", source="kill", reason="fat finger", operator="ops", cancels=True, needs_person=True
    )
    stop.stopped_ns = NOON_NS
    stop.MergeFrom(pb.Stop(**changes))
    return stop


# --- Limits ---


def test_limits_show_what_is_used_and_who_set_them(run: Run, gateway: FakeGateway) -> None:
    gateway.limits.limits.extend(
        [
            pb.LimitRow(
                scope="firm",
                control="max_gross_notional",
                unit="EUR",
                limit=pb.Limit(value="1000000", after="0"),
                set_at="firm",
                source="configuration",
                used="250000.5",
            ),
            pb.LimitRow(
                scope="account:ACC1",
                control="message_rate",
                unit="count_per_s",
                limit=pb.Limit(value="100", per_s=10, after="0"),
                set_at="account:*",
                source="operator",
                until_ns=NOON_NS,
                before=pb.Limit(value="50", per_s=10),
            ),
        ]
    )
    lines = words(run, "risk", "limits", "account:ACC1", "--control", "message_rate")

    assert lines[-2][:5] == ["firm", "max_gross_notional", "1,000,000", "EUR", "250,000.5"]
    assert lines[-2][-3:] == ["25", "%", "configuration"]
    assert lines[-1][:6] == ["account:ACC1", "message_rate", "100", "in", "10", "s"]
    assert "account:* operator 2026-03-02 12:00:00.000, then 50 in 10 s" in " ".join(lines[-1])
    (request,) = gateway.requests
    assert request == pb.ListLimitsRequest(scope="account:ACC1", control="message_rate")


def test_a_limit_is_set_with_its_window_and_its_end(run: Run, gateway: FakeGateway) -> None:
    result = run(
        "risk", "set", "desk:europe", "message_rate", "1,000", "count_per_s", "--per-s", "10", "--for", "30m",
        "--reason", "busy",
    )  # fmt: skip
    (request,) = gateway.requests
    assert isinstance(request, pb.SetLimitRequest)
    assert (request.scope, request.control, request.unit) == ("desk:europe", "message_rate", "count_per_s")
    assert (request.limit, request.reason) == (pb.Limit(value="1000", per_s=10, after="0"), "busy")
    assert request.expires_ns > NOON_NS
    assert result.stdout == "message_rate at desk:europe is 1,000 in 10 s for 30m (event 77)\n"


def test_the_event_of_a_limit_for_a_time_says_until_when() -> None:
    event = pb.Event(type=pb.LIMIT_CHANGED, scope="firm", control="max_order_qty", time_ns=NOON_NS)
    event.limit.value = "40"
    event.until_ns = NOON_NS + 60 * SECOND_NS
    assert "firm  max_order_qty  40  until 12:01:00.000" in event_line(event, NOON_NS).plain


def test_a_limit_can_be_taken_away(run: Run, gateway: FakeGateway) -> None:
    result = run("risk", "set", "account:ACC1", "max_order_qty", "none", "qty", "--reason", "not needed")
    (request,) = gateway.requests
    assert isinstance(request, pb.SetLimitRequest)
    assert not request.HasField("limit")
    assert not request.HasField("expires_ns")
    assert result.stdout == "max_order_qty at account:ACC1 is none (event 77)\n"


def test_a_limit_that_waits_for_a_second_person_says_so(run: Run, gateway: FakeGateway) -> None:
    gateway.change_id = "L3"
    text = run("risk", "set", "firm", "max_loss", "5000", "USD", "--reason", "needed").stdout
    assert "max_loss at firm is proposed (event 77) and not in force" in text
    assert "gatewayctl risk approve L3 --reason TEXT" in text


def test_an_override_that_waits_for_a_second_person_says_so(run: Run, gateway: FakeGateway) -> None:
    gateway.change_id = "L4"
    text = run("risk", "override", "firm", "short_sale", "--for", "10m", "--reason", "needed", "--yes").stdout
    assert "the override of short_sale at firm is proposed (event 77) and not in force" in text
    assert "gatewayctl risk approve L4 --reason TEXT" in text


def test_a_proposed_override_is_listed_with_its_end(run: Run, gateway: FakeGateway) -> None:
    gateway.proposals.proposals.append(
        pb.Proposal(
            change_id="L4",
            scope="firm",
            control="short_sale",
            operator="ops",
            reason="needed",
            override_until_ns=NOON_NS + 60 * SECOND_NS,
        )
    )
    listed = words(run, "risk", "proposals")[-1]
    assert listed[:5] == ["L4", "firm", "short_sale", "none", "override"]
    assert any(each.startswith("12:01") for each in listed)


def test_proposals_and_overrides_are_listed(run: Run, gateway: FakeGateway) -> None:
    gateway.proposals.proposals.append(
        pb.Proposal(
            change_id="L3",
            scope="firm",
            control="max_loss",
            unit="USD",
            limit=pb.Limit(value="5000", after="0"),
            in_force=pb.Limit(value="1000", after="0"),
            operator="ops",
            reason="needed",
        )
    )
    gateway.overrides.overrides.append(
        pb.Override(scope="account:ACC1", control="short_sale", until_ns=NOON_NS + 60 * SECOND_NS)
    )
    assert words(run, "risk", "proposals")[-1] == [
        "L3", "firm", "max_loss", "1,000", "5,000", "USD", "ops", "0.0", "s", "needed",
    ]  # fmt: skip
    assert words(run, "risk", "overrides")[-1][:2] == ["account:ACC1", "short_sale"]


def test_a_proposal_shows_how_long_it_still_waits() -> None:
    proposal = pb.Proposal(change_id="L3", scope="firm", control="max_loss", lapses_ns=NOON_NS + 3_000 * SECOND_NS)
    console = Console(width=160)
    with console.capture() as capture:
        console.print(tables_risk.proposals([proposal], NOON_NS))
    *_, line = capture.get().splitlines()
    assert line.split()[-2:] == ["50", "min"]


@pytest.mark.parametrize(
    ("arguments", "request_sent"),
    [
        (("approve", "L3", "--yes"), pb.DecideChangeRequest(change_id="L3", approve=True, reason="because")),
        (("decline", "L3"), pb.DecideChangeRequest(change_id="L3", approve=False, reason="because")),
        (
            ("end-override", "account:ACC1", "short_sale"),
            pb.EndOverrideRequest(scope="account:ACC1", control="short_sale", reason="because"),
        ),
    ],
)
def test_an_action_is_sent_with_its_reason(
    run: Run, gateway: FakeGateway, arguments: tuple[str, ...], request_sent: object
) -> None:
    result = run("risk", *arguments, "--reason", "because")
    assert result.exit_code == 0, result.stderr
    assert gateway.requests == [request_sent]
    assert "(event 77)" in result.stdout
    assert document(run, "risk", *arguments, "--reason", "because") == {"seq": "77"}


def test_who_resumes_one_stop_is_told_of_the_others(run: Run, gateway: FakeGateway) -> None:
    gateway.stops = [pb.ListStopsResponse(stops=[a_stop(), *(a_stop(scope=f"venue:V{n}") for n in range(6))])]
    lines = run("risk", "resume", "firm", "--source", "loss", "--yes", "--reason", "because").stdout.splitlines()
    assert gateway.requests[0] == pb.ResumeTradingRequest(scope="firm", source="loss", reason="because")
    assert lines[0] == "firm trades again, as far as loss is concerned (event 77)"
    assert lines[1].startswith("still stopped: account:ACC1 (kill), venue:V0 (kill)")
    assert lines[1].endswith("and 2 more")

    gateway.stops = [pb.ListStopsResponse()]
    assert "still stopped" not in run("risk", "resume", "firm", "--yes", "--reason", "because").stdout
    assert document(run, "risk", "resume", "firm", "--yes", "--reason", "because") == {"seq": "77"}


def test_a_second_person_is_not_told_how_to_be_somebody_else(run: Run, gateway: FakeGateway) -> None:
    gateway.fail_next(grpc.StatusCode.PERMISSION_DENIED, "another operator has to approve it", "SECOND_PERSON_NEEDED")
    result = run("risk", "approve", "L3", "--yes", "--reason", "because")
    assert result.stderr == "error: SECOND_PERSON_NEEDED: another operator has to approve it\n"


def test_a_field_is_named_once(run: Run, gateway: FakeGateway) -> None:
    gateway.fail_next(grpc.StatusCode.INVALID_ARGUMENT, "reason: is required", "FIELD_REQUIRED", "reason")
    result = run("risk", "decline", "L3", "--reason", "")
    assert result.stderr == "error: FIELD_REQUIRED (reason): is required\n"


def test_an_override_has_an_end(run: Run, gateway: FakeGateway) -> None:
    run("risk", "override", "account:ACC1", "short_sale", "--for", "10m", "--reason", "agreed", "--yes")
    (request,) = gateway.requests
    assert isinstance(request, pb.GrantOverrideRequest)
    assert (request.scope, request.control, request.reason) == ("account:ACC1", "short_sale", "agreed")
    assert request.until_ns > NOON_NS


@pytest.mark.parametrize("arguments", [("approve", "L3"), ("resume", "firm"), ("override", "firm", "c", "--for", "1m")])
def test_what_lets_more_pass_asks_first(run: Run, gateway: FakeGateway, arguments: tuple[str, ...]) -> None:
    result = run("risk", *arguments, "--reason", "because")
    assert (result.exit_code, gateway.requests) == (2, [])
    assert "add --yes" in result.stderr


# --- The kill switch ---


def test_a_kill_needs_nothing_but_a_reason_and_is_followed_to_its_end(
    run: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctl_risk, "LOOK_S", 0)
    other = a_stop(source="loss", completed=True)
    gateway.stops = [
        pb.ListStopsResponse(stops=[other, a_stop(open_orders=2)]),
        pb.ListStopsResponse(stops=[other, a_stop(open_orders=2)]),
        pb.ListStopsResponse(stops=[other, a_stop(open_orders=1)]),
        pb.ListStopsResponse(stops=[other, a_stop(open_orders=0)]),
        pb.ListStopsResponse(stops=[other, a_stop(completed=True)]),
    ]
    result = run("risk", "kill", "account:ACC1", "--reason", "fat finger")
    assert result.exit_code == 0, result.stderr
    assert gateway.requests[0] == pb.StopTradingRequest(scope="account:ACC1", reason="fat finger")
    assert result.stdout.splitlines() == [
        "trading is stopped at account:ACC1 (event 77); working orders are being canceled; cancels still pass",
        "2 orders still work",
        "1 order still works",
        "nothing works any more at account:ACC1",
    ]


def test_a_kill_that_takes_long_says_where_to_look(
    run: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctl_risk, "LOOK_S", 0)
    monkeypatch.setattr(ctl_risk, "PATIENCE_S", 0)
    waiting = pb.ListStopsResponse(stops=[a_stop(open_orders=2)])
    gateway.stops = [waiting, waiting, pb.ListStopsResponse(stops=[a_stop(completed=True)])]
    lines = run("risk", "kill", "account:ACC1", "--reason", "r").stdout.splitlines()
    assert lines[1] == "2 orders still work"
    assert "gatewayctl sessions" in lines[2]
    assert lines[3:] == ["nothing works any more at account:ACC1"]


def test_a_kill_goes_on_looking_when_the_gateway_is_away_for_a_moment(
    run: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctl_risk, "LOOK_S", 0)
    gateway.stops = [pb.ListStopsResponse(stops=[a_stop(completed=True)])]
    gateway.away = 2
    lines = run("risk", "kill", "account:ACC1", "--reason", "r").stdout.splitlines()
    assert "UNAVAILABLE: away; the stop stays, looking again" in lines[1]
    assert lines[2:] == ["nothing works any more at account:ACC1"]


def test_a_kill_for_programs_is_one_document(run: Run, gateway: FakeGateway) -> None:
    gateway.stops = [pb.ListStopsResponse(stops=[a_stop(completed=True)])]
    told = document(run, "risk", "kill", "account:ACC1", "--reason", "r")
    assert (told["reply"]["seq"], told["stop"]["completed"]) == ("77", True)
    assert document(run, "risk", "kill", "account:ACC1", "--reason", "r", "--no-wait") == {"seq": "77"}


@pytest.mark.parametrize(
    ("cancels", "away", "said"),
    [
        (False, 0, "working orders stay; cancels still pass"),
        (True, 0, "working orders are canceled all the same, by an earlier stop there; cancels still pass"),
        (False, 1, "it cancels no working orders, unless an earlier stop there does; cancels still pass"),
    ],
)
def test_a_kill_that_keeps_orders_waits_for_nothing(
    run: Run, gateway: FakeGateway, cancels: bool, away: int, said: str
) -> None:
    stop = a_stop(scope="firm")
    stop.cancels, gateway.away = cancels, away
    gateway.stops = [pb.ListStopsResponse(stops=[stop])]
    result = run("risk", "kill", "firm", "--reason", "r", "--keep-orders", "--allow-reducing")
    asked = pb.StopTradingRequest(scope="firm", reason="r", keep_orders=True, allow_reducing=True)
    assert gateway.requests == [asked, pb.ListStopsRequest()]
    assert result.stdout == f"trading is stopped at firm (event 77); {said}\n"


def test_a_stop_that_was_resumed_meanwhile_is_not_waited_for(run: Run, gateway: FakeGateway) -> None:
    gateway.stops = [pb.ListStopsResponse()]
    assert "was resumed meanwhile" in run("risk", "kill", "firm", "--reason", "r").stdout


def test_stops_show_what_still_works(run: Run, gateway: FakeGateway) -> None:
    gateway.stops = [pb.ListStopsResponse(stops=[a_stop(open_orders=12), a_stop(source="loss", completed=True)])]
    lines = words(run, "risk", "stops")
    assert lines[-2][:3] == ["account:ACC1", "kill", "ops"]
    assert lines[-2][-8:] == ["12", "cancels", "only", "by", "a", "person", "fat", "finger"]
    assert "none" in lines[-1]


def test_orders_that_a_stop_keeps_are_no_alarm() -> None:
    console = Console(width=160, force_terminal=True)
    for cancels, alarm in ((True, True), (False, False)):
        stop = pb.Stop(scope="account:ACC1", source="kill", cancels=cancels, open_orders=4)
        with console.capture() as capture:
            console.print(tables_risk.stops([stop], NOON_NS))
        assert ("\x1b[1;31m" in capture.get()) is alarm


def test_breaches_are_listed_the_worst_first(run: Run, gateway: FakeGateway) -> None:
    near = pb.Breach(scope="firm", control="max_loss", severity=pb.SEVERITY_WARNING, value="80", limit="100")
    over = pb.Breach(scope="desk:x", control="max_loss", severity=pb.SEVERITY_CRITICAL, value="150", limit="100")
    gateway.breaches.breaches.extend([near, over])
    lines = words(run, "risk", "breaches")
    assert [line[0] for line in lines[-2:]] == ["CRITICAL", "WARNING"]
    assert lines[-2][-2:] == ["150", "%"]


def test_a_narrow_terminal_has_breaches_without_their_words() -> None:
    breach = pb.Breach(scope="firm", control="max_drawdown", value="512193.421", limit="500000", text="drawdown " * 8)
    console = Console(width=80, force_terminal=True)
    with console.capture() as capture:
        console.print(tables_risk.breaches([breach]))
    title, *_, line = Text.from_ansi(capture.get()).plain.splitlines()
    assert title == "Breaches   without what"
    assert line.split()[-5:] == ["512,193.42", "500,000", "████████", "102", "%"]


@pytest.mark.parametrize(
    ("arguments", "words_told"),
    [
        (("marks", "ACME=1", "--of", "ACME"), "--of shows marks"),
        (("marks", "ACME"), "'ACME' is not NAME=NUMBER"),
        (("marks", "ACME=x"), "'x' is not a number"),
        (("marks", "ACME=1:2"), "SYMBOL=PX:BID:ASK"),
        (("marks", "ACME=nan"), "is not a number"),
        (("override", "firm", "short_sale", "--reason", "r", "--yes", "--for", "999999d"), "more than a hundred years"),
        (
            ("set", "firm", "max_loss", "1", "USD", "--reason", "r", "--per-s", "9999999999"),
            "less than or equal to 86400",
        ),
        (("marks", "ACME=1e999999999"), "'1e999999999' has too many digits"),
        (("set", "firm", "max_loss", "1e-999999999", "USD", "--reason", "r"), "takes 15 before the point"),
        (("marks", "ACME=100,25"), "'100,25' has a comma that sets no thousands apart"),
        (("marks", "ACME=1:0,99:1,01"), "'0,99' has a comma"),
        (("marks", "--rate", "USD=1,00.5"), "'1,00.5' has a comma"),
        (("set", "firm", "max_loss", "1000,000,5", "USD", "--reason", "r"), "the decimals come after a point"),
        (("set", "firm", "max_loss", "lots", "USD", "--reason", "r"), "'lots' is not a number"),
        (("set", "firm", "max_loss", "1", "USD", "--reason", "r", "--for", "soon"), "'soon' is not a time"),
        (("override", "firm", "max_loss", "--for", "1w", "--reason", "r", "--yes"), "'1w' is not a time"),
    ],
)
def test_a_wrong_command_line_asks_nothing(
    run: Run, gateway: FakeGateway, arguments: tuple[str, ...], words_told: str
) -> None:
    result = run("risk", *arguments)
    assert (result.exit_code, gateway.requests) == (2, [])
    assert words_told in result.stderr
