"""Every event and every command of risk, with every field, for the kept journal (see `make`)."""

from decimal import Decimal

from gateway.core.risk import commands as cmd
from gateway.core.risk import events as re
from gateway.core.risk import setup
from gateway.core.risk.controls import Breaker, Control
from gateway.core.types import Severity

D = Decimal
LATER_NS = 1_767_355_200_000_000_000

LIMIT = setup.Limit(value=D("1000000.50"), per_s=10, after=D(5))
LOWER = setup.Limit(value=D("0.0000000001"), per_s=1, after=D("0.5"))
MARK = re.Mark(symbol="ACME", px=D("100.02"), bid=D("100.01"), ask=D("100.03"))

SETUP = setup.RiskSetup(
    currency="EUR",
    rates={"USD": D("0.92")},
    desks={"europe": "", "paris": "europe"},
    accounts={"ACC1": "paris"},
    clients={"alpha": setup.RiskClient(accounts=("ACC1",), strategies=("x", "y"), cancel_on_disconnect_ns=5)},
    instruments={
        "ACME": setup.RiskInstrument(
            asset_class="equity",
            currency="USD",
            multiplier=D("0.5"),
            tick_size=D("0.01"),
            lot_size=D(10),
            reference_px=D(100),
            margin_pct=D(25),
            volatility_pct=D("2.5"),
            short_sale="flagged",
        )
    },
    venues={"XSIM": setup.RiskVenue(mass_cancel=True)},
    limits={"firm": {Control.MESSAGE_RATE: LIMIT}, "strategy:*": {Control.MAX_LOSS: LOWER}},
    restricted={"desk:paris": ("ACME",)},
    permitted={"strategy:ACC1/x": ("ACME",)},
    scenarios=(setup.Scenario(name="crash", shocks={"equity": D(-20), "ACME": D(-30)}),),
    correlations={"equity/bond": D("-0.2")},
    breakers=(
        setup.BreakerRule(
            scope="strategy:*",
            kind=Breaker.REJECT_RATE,
            value=D(50),
            clear=D(10),
            window_s=30,
            after=20,
            cool_down_s=120,
            needs_person=False,
            cancels=False,
        ),
    ),
    self_match="cancel_old",
    approvals=("firm", "desk"),
    day_start=1_020,
    time_zone="Europe/Paris",
)

COMMANDS = (
    cmd.SetLimit("olga", "firm", "message_rate", "count_per_s", "busy", limit=LIMIT, expires_ns=LATER_NS),
    cmd.DecideChange("otto", "L1", approve=True, reason="seen"),
    cmd.GrantOverride("olga", "account:ACC1", "short_sale", LATER_NS, "agreed"),
    cmd.EndOverride("olga", "account:ACC1", "short_sale", "over"),
    cmd.StopTrading("olga", "account:ACC1", "fat finger", cancels=False, allow_reducing=True),
    cmd.ResumeTrading("olga", "account:ACC1", "kill", "found"),
    cmd.SetMarks("prices", marks=(MARK,), rates={"USD": D("0.93")}),
)

EVENTS = (
    re.RiskConfigured(setup=SETUP),
    re.RiskDayBegan(day="2026-01-02"),
    re.MarksSet(marks=(MARK,), rates={"USD": D("0.93")}),
    re.LimitProposed("L1", "firm", Control.MESSAGE_RATE, LIMIT, "olga", "busy", expires_ns=LATER_NS, in_force=LOWER),
    re.LimitChanged(
        "firm",
        Control.MESSAGE_RATE,
        old=LOWER,
        limit=LIMIT,
        operator="olga",
        reason="busy",
        expires_ns=LATER_NS,
        change_id="L1",
        approved_by="otto",
    ),
    re.LimitDeclined("L2", "otto", "no"),
    re.LimitExpired("firm", Control.MESSAGE_RATE, LOWER),
    re.OverrideProposed("L3", "firm", "short_sale", LATER_NS, "olga", "agreed"),
    re.OverrideGranted("account:ACC1", "short_sale", LATER_NS, "olga", "agreed", change_id="L3", approved_by="otto"),
    re.OverrideEnded("account:ACC1", "short_sale", operator="olga", reason="over"),
    re.BreachBegan("firm", "max_position_qty", Severity.WARNING, D("9.5"), D(10), "near its limit", symbol="ACME"),
    re.TradingStopped(
        "account:ACC1",
        "loss",
        "10 over 5",
        operator="olga",
        cancels=False,
        allow_reducing=True,
        needs_person=False,
        until_ns=LATER_NS,
    ),
    re.MassCancelSent("XSIM", "T1ABCD-9", "account:ACC1"),
    re.MassCancelAnswered("XSIM", "T1ABCD-9", accepted=False, total_affected=3, text="not now"),
    re.StopCompleted("account:ACC1", "loss"),
    re.TradingResumed("account:ACC1", "loss", "found", operator="olga"),
    re.BreachEnded("firm", "max_position_qty", symbol="ACME"),
    re.ClientAway("alpha"),
    re.ClientBack("alpha"),
)
