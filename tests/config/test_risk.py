# ruff: noqa: E501  # Messages are compared whole, as people read them.
"""[risk] in the configuration: what cannot be meant is refused by name, and nothing is ever without a limit."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from gateway.config import ConfigError, core_risk, load
from gateway.config.risk import BreakerKind, Level, RiskLimitsConfig
from gateway.config.risk_checks import is_positive_semidefinite
from gateway.core.risk import scopes
from gateway.core.risk.controls import Breaker, Control
from gateway.core.risk.setup import BreakerRule, Limit, RiskClient, RiskInstrument, RiskSetup, RiskVenue, Scenario
from ops.limits import AMPLE_RISK, with_ample_limits
from tests.config.market import MARKET

SAMPLE = Path(__file__).parents[2] / "config" / "gateway.toml"
REST = f"""
stack = "t"
data_dir = "data"

[[clients]]
id = "demo"
accounts = ["ACC1", "ACC2"]

[[clients]]
id = "ops"
role = "operator"

{MARKET}
[[instruments]]
symbol = "BUND"
venue_symbols = {{ XSIM = "BUND" }}
tick_size = 0.01
lot_size = 1
currency = "EUR"
asset_class = "future"
"""


def written(folder: Path, *changes: tuple[str, str], more: str = "") -> Path:
    """A configuration with ample limits, and some of its text changed."""
    text = REST + AMPLE_RISK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "gateway.toml"
    path.write_text(text + more, encoding="utf-8")
    return path


def problems(folder: Path, *changes: tuple[str, str], more: str = "") -> list[str]:
    path = written(folder, *changes, more=more)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [line.removeprefix(f"{path}: ") for line in caught.value.problems]


def said(folder: Path, *changes: tuple[str, str], more: str = "") -> RiskSetup:
    """What the core gets; the file has to load."""
    return core_risk(load(written(folder, *changes, more=more), {}))


def desk(name: str, parent: str = "", accounts: str = "[]") -> str:
    return f'[[risk.desks]]\nname = "{name}"\nparent = "{parent}"\naccounts = {accounts}\n'


# --- What the core gets ---


def test_the_words_of_the_file_are_those_of_the_controls() -> None:
    own = {"scope", "restricted", "permitted"}
    assert [name for name in RiskLimitsConfig.__struct_fields__ if name not in own] == [str(each) for each in Control]
    assert get_args(BreakerKind) == tuple(str(each) for each in Breaker)
    assert get_args(Level) == scopes.LEVELS


def test_the_core_gets_all_that_the_file_says(tmp_path: Path) -> None:
    more = """
        max_order_qty = 5
        restricted = ["BUND"]
        permitted = ["ACME"]
        [[risk.limits]]
        scope = "strategy:ACC1/alpha"
        message_rate = { count = 10, per_s = 2 }
        order_to_trade = { ratio = 4.5, after = 20 }
        max_concentration_pct = { pct = 50, above = 1_000 }
        max_open_orders = 3
        """ + desk("EQ", "ALL", '["ACC1"]') + desk("ALL") + """
        [[risk.scenarios]]
        name = "crash"
        shocks = { equity = -20, BUND = 0, future = "1.5" }
        [[risk.correlations]]
        of = ["equity", "future"]
        value = -0.25
        [[risk.breakers]]
        scope = "desk:EQ"
        kind = "loss"
        value = 100
        clear = 0
        window_s = 5
        after = 7
        cool_down_s = 9
        needs_person = false
        cancels = false
        """  # fmt: skip
    setup = said(
        tmp_path,
        ('currency = "USD"\nself_match = "off"', 'currency = "USD"\nday_start = "17:05"\ntime_zone = "America/Chicago"\napprovals = ["firm", "desk"]'),
        ('accounts = ["ACC1", "ACC2"]', 'accounts = ["ACC1", "ACC2"]\nstrategies = ["alpha", ""]\ncancel_on_disconnect_s = 3'),
        ('target_comp_id = "XSIM"', 'target_comp_id = "XSIM"\ndialect = { mass_cancel = true }'),
        ('asset_class = "future"', 'asset_class = "future"\nreference_px = 130.5\nmargin_pct = 2.5\nvolatility_pct = 0\nshort_sale = "flagged"\nmultiplier = 1000'),
        more='[[risk.limits]]\nscope = "desk:EQ"' + more,
    )  # fmt: skip

    assert (setup.currency, setup.rates, setup.self_match, setup.approvals) == (
        "USD", {"EUR": Decimal(1)}, "refuse", ("firm", "desk"),
    )  # fmt: skip
    assert (setup.day_start, setup.time_zone) == (17 * 60 + 5, "America/Chicago")
    assert setup.desks == {"EQ": "ALL", "ALL": ""}
    assert setup.accounts == {"ACC1": "EQ", "ACC2": ""}
    assert setup.clients == {"demo": RiskClient(("ACC1", "ACC2"), ("alpha", ""), 3_000_000_000)}
    assert setup.venues == {"XSIM": RiskVenue(mass_cancel=True)}
    assert setup.instruments["ACME"] == RiskInstrument("equity", "USD", tick_size=Decimal("0.01"))
    assert setup.instruments["BUND"] == RiskInstrument(
        "future", "EUR", Decimal(1000), Decimal("0.01"), reference_px=Decimal("130.5"), margin_pct=Decimal("2.5"), short_sale="flagged"
    )  # fmt: skip
    assert setup.limits["desk:EQ"] == {Control.MAX_ORDER_QTY: Limit(Decimal(5))}
    assert setup.limits["strategy:ACC1/alpha"] == {
        Control.MESSAGE_RATE: Limit(Decimal(10), per_s=2),
        Control.ORDER_TO_TRADE: Limit(Decimal("4.5"), after=Decimal(20)),
        Control.MAX_CONCENTRATION_PCT: Limit(Decimal(50), after=Decimal(1_000)),
        Control.MAX_OPEN_ORDERS: Limit(Decimal(3)),
    }
    assert set(setup.limits["firm"]) == set(Control)
    assert (setup.restricted, setup.permitted) == ({"desk:EQ": ("BUND",)}, {"desk:EQ": ("ACME",)})
    assert setup.scenarios == (
        Scenario("crash", {"equity": Decimal(-20), "BUND": Decimal(0), "future": Decimal("1.5")}),
    )
    assert setup.correlations == {"equity/future": Decimal("-0.25")}
    assert setup.breakers == (
        BreakerRule("desk:EQ", Breaker.LOSS, Decimal(100), Decimal(0), 5, 7, 9, needs_person=False, cancels=False),
    )


def test_the_sample_has_a_limit_of_every_control_and_stops_by_itself() -> None:
    setup = core_risk(load(SAMPLE, {}))

    assert set(setup.limits["firm"]) == set(Control)
    assert all(instrument.reference_px for instrument in setup.instruments.values())
    assert setup.breakers
    assert setup.self_match != "off"
    assert setup.approvals == ("firm",)


def test_ample_limits_take_the_place_of_the_samples(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(with_ample_limits(SAMPLE.read_text(encoding="utf-8")), encoding="utf-8")

    assert list(core_risk(load(path, {})).limits) == ["firm"]
    with pytest.raises(ValueError, match=r"no \[risk\]"):
        with_ample_limits(REST)


# --- What cannot be meant ---


def test_without_risk_the_file_says_what_to_copy(tmp_path: Path) -> None:
    assert problems(tmp_path, (AMPLE_RISK, "")) == [
        "risk: is missing, expected a table; copy [risk] and all that is below it from config/gateway.toml"
    ]


@pytest.mark.parametrize("control", [each for each in Control if each not in {"message_rate", "order_to_trade", "max_concentration_pct"}])  # fmt: skip
def test_no_limit_is_negative_and_zero_stands_only_where_it_means_something(tmp_path: Path, control: Control) -> None:
    def found(value: str) -> list[str]:
        return problems(tmp_path, more=f'\n[[risk.limits]]\nscope = "desk:none"\n{control} = {value}\n')

    (negative,) = found("-1")
    assert negative.startswith(f"risk.limits[1].{control} (desk:none): found -1, expected ")
    reduce_only = {"max_position_qty", "max_gross_notional", "max_net_notional", "max_correlated_exposure", "max_margin"}  # fmt: skip
    (zero,) = found("0")
    may_be = zero.startswith("risk.limits[1].scope")
    assert may_be is (control in reduce_only | {"duplicate_window_s"})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("message_rate = { count = 0 }", "message_rate.count (firm): found 0, expected a whole number from 1 to 1000000"),
        ("message_rate = { per_s = 1 }", "message_rate.count (firm): is missing, expected a whole number from 1 to 1000000"),
        (
            f"order_to_trade = {{ ratio = 4, after = {10**9 + 1} }}",
            "order_to_trade.after (firm): found 1000000001, expected a whole number from 0 to 1000000000",
        ),
        ("message_rate = 5", "message_rate (firm): found 5, expected a table"),
        ("order_to_trade = { ratio = 0 }", 'order_to_trade.ratio (firm): found 0, expected a number above zero such as 0.01 or "0.01"'),
        ("max_concentration_pct = { pct = 5, above = -1 }", 'max_concentration_pct.above (firm): found -1, expected a number of at least zero such as 0 or "0.35"'),
        ("max_open_orders = 1.5", "max_open_orders (firm): found 1.5, expected a whole number of at least 1"),
        ("max_loss_eur = 5", 'max_loss_eur (firm): there is no such key; did you mean "max_loss"?'),
        ("permitted = []", "permitted (firm): found an array with nothing in it, expected a non-empty array, each 1 to 32 letters, digits or any of _ . -"),
    ],
)  # fmt: skip
def test_a_limit_of_the_wrong_shape_is_refused(tmp_path: Path, line: str, expected: str) -> None:
    name = line.split(" ", maxsplit=1)[0]
    old = [each for each in AMPLE_RISK.splitlines() if each.startswith(f"{name} =")]
    change = (old[0], line) if old else ('scope = "firm"', f'scope = "firm"\n{line}')

    assert problems(tmp_path, change) == [f"risk.limits[0].{expected}"]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("form", 'found "form", expected "firm", or one of desk, account, strategy, client, instrument, asset_class, venue with ":" and a name'),
        ("firm:x", 'found "firm:x", expected "firm", or one of desk, account, strategy, client, instrument, asset_class, venue with ":" and a name'),
        ("order:1", 'found "order:1", expected "firm", or one of desk, account, strategy, client, instrument, asset_class, venue with ":" and a name'),
        ("account:ACC9", 'found "account:ACC9", expected a scope (account:ACC1, account:ACC2); did you mean "account:ACC2"?'),
        ("client:ops", 'found "client:ops", expected a scope (client:demo)'),
        ("venue:YSIM", 'found "venue:YSIM", expected a scope (venue:XSIM); did you mean "venue:XSIM"?'),
        ("asset_class:fx", 'found "asset_class:fx", expected a scope (asset_class:equity, asset_class:future)'),
        ("strategy:ACC9/alpha", 'found "strategy:ACC9/alpha", expected "strategy:ACCOUNT/NAME" with an account of some client'),
        ("strategy:ACC1/*", 'found "strategy:ACC1/*", expected "strategy:ACCOUNT/NAME" with an account of some client'),
        ("strategy:alpha", 'found "strategy:alpha", expected "strategy:ACCOUNT/NAME" with an account of some client'),
        ("desk:EQ", 'found "desk:EQ", expected "firm", or one of desk, account, strategy, client, instrument, asset_class, venue with ":" and a name'),
    ],
)  # fmt: skip
def test_a_scope_that_is_not_there_is_refused(tmp_path: Path, scope: str, expected: str) -> None:
    limits = f'\n[[risk.limits]]\nscope = "{scope}"\n'
    breaker = f'[[risk.breakers]]\nscope = "{scope}"\nkind = "items"\nvalue = 2\nclear = 1\n'

    first, second = problems(tmp_path, more=limits + breaker)

    assert first.startswith(f"risk.limits[1].scope ({scope}): {expected}")
    assert second.startswith(f"risk.breakers[0].scope ({scope}): {expected}")


def test_a_scope_has_its_limits_in_one_place(tmp_path: Path) -> None:
    assert problems(tmp_path, more='\n[[risk.limits]]\nscope = "firm"\nmax_order_qty = 1\n') == [
        'risk.limits[1].scope (firm): found "firm" a second time, expected each only once; first at risk.limits[0].scope'
    ]


@pytest.mark.parametrize("scope", ["instrument:BUND", "instrument:*", "asset_class:future", "asset_class:*"])
def test_one_lot_is_within_what_every_order_may_be_for(tmp_path: Path, scope: str) -> None:
    """Each order was refused, for its quantity or for not being a multiple of the lot, and nothing said so before."""
    limit = f'\n[[risk.limits]]\nscope = "{scope}"\nmax_order_qty = 0.5\n'
    changes = [("lot_size = 1", "lot_size = 0.5")]  # Of the other one, ACME.

    assert problems(tmp_path, *changes, more=limit) == [
        f"instruments[1].lot_size (BUND): found 1, expected at most 0.5, the max_order_qty at {scope}: no order would pass it"
    ]


def test_a_lot_may_be_as_large_as_an_order_and_too_large_for_some_accounts(tmp_path: Path) -> None:
    limits = '\n[[risk.limits]]\nscope = "instrument:*"\nmax_order_qty = 1\n'
    limits += '\n[[risk.limits]]\nscope = "account:ACC1"\nmax_order_qty = 0.5\n'
    load(written(tmp_path, more=limits), {})


def test_desks_are_a_tree_of_known_accounts(tmp_path: Path) -> None:
    assert problems(tmp_path, more=desk("A", "B") + desk("B", "C") + desk("C", "A") + desk("D", "A")) == [
        "risk.desks[0].parent (A): found a cycle, A -> B -> C -> A, expected desks that end at the firm",
        "risk.desks[1].parent (B): found a cycle, B -> C -> A -> B, expected desks that end at the firm",
        "risk.desks[2].parent (C): found a cycle, C -> A -> B -> C, expected desks that end at the firm",
    ]
    assert problems(tmp_path, more=desk("A", "A")) == [
        "risk.desks[0].parent (A): found a cycle, A -> A, expected desks that end at the firm"
    ]
    assert problems(tmp_path, more=desk("EQ", "EX", '["ACC1", "ACC3"]') + desk("FX", "", '["ACC1"]') + desk("FX")) == [
        'risk.desks[2].name (FX): found "FX" a second time, expected each only once; first at risk.desks[1].name',
        'risk.desks[0].parent (EQ): found "EX", expected a desk, or "" for the firm (EQ, FX, FX)',
        'risk.desks[0].accounts[1] (EQ): found "ACC3", expected an account of some client (ACC1, ACC2); did you mean "ACC2"?',
        'risk.desks[1].accounts[0] (FX): found "ACC1", which is in EQ already, expected an account in one desk only',
    ]


def test_every_currency_has_a_rate_and_the_risk_currency_none(tmp_path: Path) -> None:
    assert problems(tmp_path, ("EUR = 1\n", "USD = 1\n")) == [
        "risk.rates.USD: this is the risk currency, expected another one: its rate is 1",
        'instruments[1].currency (BUND): found "EUR", which has no rate; expected EUR = ... below [risk.rates], the value of one EUR in USD',
    ]
    assert problems(tmp_path, ("EUR = 1\n", "EUR = -1\n")) == [
        'risk.rates.EUR: found -1, expected a number above zero such as 0.01 or "0.01"'
    ]


@pytest.mark.parametrize("scope", ["client:demo", "client:*", "venue:XSIM"])
def test_a_loss_is_limited_where_there_is_profit(tmp_path: Path, scope: str) -> None:
    assert problems(tmp_path, more=f'[[risk.limits]]\nscope = "{scope}"\nmax_loss = 5\nmax_drawdown = 5\n') == [
        f'risk.limits[1].{control} ({scope}): found it at "{scope}", which has no profit of its own, expected another scope'
        for control in ("max_loss", "max_drawdown")
    ]


def test_instruments_and_asset_classes_that_are_named_are_there(tmp_path: Path) -> None:
    more = """
        restricted = ["ACNE"]
        permitted = ["BUNT"]
        [[risk.scenarios]]
        name = "crash"
        shocks = { equities = -20, ACME = -1 }
        [[risk.correlations]]
        of = ["equity", "futures"]
        value = 0
        """

    assert problems(tmp_path, more='[[risk.limits]]\nscope = "account:*"' + more) == [
        'risk.scenarios[0].shocks.equities (crash): found "equities", expected an asset class or a symbol (equity, future, ACME, BUND); did you mean "equity"?',
        'risk.correlations[0].of[1]: found "futures", expected an asset class (equity, future); did you mean "future"?',
        'risk.limits[1].restricted[0] (account:*): found "ACNE", expected a configured instrument (ACME, BUND); did you mean "ACME"?',
        'risk.limits[1].permitted[0] (account:*): found "BUNT", expected a configured instrument (ACME, BUND); did you mean "BUND"?',
    ]


def test_a_breaker_clears_below_where_it_trips(tmp_path: Path) -> None:
    rule = '[[risk.breakers]]\nscope = "firm"\nkind = "loss"\nvalue = 100\nclear = {}\n'

    assert problems(tmp_path, more=rule.format("100")) == [
        "risk.breakers[0].clear (firm): found 100, expected less than value, 100: else it would trip again at once"
    ]
    assert problems(tmp_path, more=rule.format("1") * 2) == [
        'risk.breakers[1] (firm): found "loss at firm" a second time, expected each only once; first at risk.breakers[0]'
    ]
    assert problems(tmp_path, more=rule.format("-1")) == [
        'risk.breakers[0].clear (firm): found -1, expected a number of at least zero such as 0 or "0.35"'
    ]


@pytest.mark.parametrize(
    ("scope", "kind", "more", "expected"),
    [
        ("client:demo", "loss", "", 'scope (client:demo): found "client:demo", which has no profit of its own, expected another scope'),
        ("venue:*", "drawdown", "", 'scope (venue:*): found "venue:*", which has no profit of its own, expected another scope'),
        ("firm", "reject_rate", "", "value (firm): found 101, expected at most 100: it is in percent"),
        ("firm", "repeated_execution", "needs_person = false", "needs_person (firm): found false, expected true: RTS 6 15(3) asks for a person"),
    ],
)  # fmt: skip
def test_a_breaker_can_trip_and_clears_as_its_kind_may(
    tmp_path: Path, scope: str, kind: str, more: str, expected: str
) -> None:
    rule = f'[[risk.breakers]]\nscope = "{scope}"\nkind = "{kind}"\nvalue = 101\nclear = 1\n{more}\n'

    assert problems(tmp_path, more=rule) == [f"risk.breakers[0].{expected}"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('self_match = "off"', 'self_match = "of"', "risk.self_match"),
        ('self_match = "off"', 'day_start = "24:00"', "risk.day_start"),
        ('self_match = "off"', 'time_zone = "Mars"', "risk.time_zone"),
        ('self_match = "off"', 'approvals = ["firma"]', "risk.approvals[0]"),
        ('self_match = "off"', 'approvals = ["firm", "firm"]', "risk.approvals[1]"),
        ('asset_class = "future"', "reference_px = 0", "instruments[1].reference_px"),
        ('asset_class = "future"', "margin_pct = -1", "instruments[1].margin_pct"),
        ('asset_class = "future"', "volatility_pct = -0.1", "instruments[1].volatility_pct"),
        ('asset_class = "future"', 'short_sale = "yes"', "instruments[1].short_sale"),
        ('id = "demo"', 'id = "demo"\nstrategies = ["a/b"]', "clients[0].strategies[0]"),
        ('id = "demo"', 'id = "demo"\nstrategies = []', "clients[0].strategies"),
        ('id = "demo"', 'id = "demo"\ncancel_on_disconnect_s = -1', "clients[0].cancel_on_disconnect_s"),
        ('target_comp_id = "XSIM"', 'target_comp_id = "XSIM"\ndialect = { mass_cancel = 1 }', "venues[0].dialect.mass_cancel"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_name(tmp_path: Path, old: str, new: str, key: str) -> None:
    (line,) = problems(tmp_path, (old, new))

    assert line.startswith(key)
    assert "found " in line
    assert ", expected " in line


# --- Correlations ---


def correlations(*said_: tuple[str, str, str]) -> str:
    return "".join(f'[[risk.correlations]]\nof = ["{a}", "{b}"]\nvalue = {value}\n' for a, b, value in said_)


def test_a_correlation_is_of_two_classes_once_and_from_minus_one_to_one(tmp_path: Path) -> None:
    more = correlations(("equity", "equity", "0.5"), ("equity", "future", "1.01"), ("future", "equity", "0"))

    assert problems(tmp_path, more=more) == [
        "risk.correlations[0].of: found equity, equity, expected two different asset classes",
        "risk.correlations[1].value: found 1.01, expected a number from -1 to 1",
        "risk.correlations[2].of: found future and equity a second time; first at risk.correlations[1]",
    ]
    for value in ("-1", "0", "1"):
        assert said(tmp_path, more=correlations(("equity", "future", value))).correlations == {
            "equity/future": Decimal(value)
        }


def test_correlations_have_to_be_possible_together(tmp_path: Path) -> None:
    """Three things cannot each move against the other two; and what nobody said is 1, which has to fit as well."""
    third = '\n[[instruments]]\nsymbol = "GOLD"\nvenue_symbols = { XSIM = "GOLD" }\ntick_size = 1\nlot_size = 1\ncurrency = "USD"\nasset_class = "metal"\n'
    pairs = (("equity", "future"), ("equity", "metal"), ("future", "metal"))

    def all_of(*values: str) -> str:
        return third + correlations(*[(*pair, value) for pair, value in zip(pairs, values, strict=False)])

    refused = [
        "risk.correlations: found a matrix of equity, future, metal that is not positive semidefinite (what is not given is 1), expected correlations that can be true together: with these some portfolio would have less than no risk"
    ]
    assert problems(tmp_path, more=all_of("-0.9", "-0.9", "-0.9")) == refused
    assert problems(tmp_path, more=all_of("-0.51", "-0.5", "-0.5")) == refused
    assert problems(tmp_path, more=all_of("0.5")) == refused
    said(tmp_path, more=all_of("-0.5", "-0.5", "-0.5"))
    said(tmp_path, more=all_of("0.3", "0.3", "0.3"))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1]], True),
        ([[0]], True),
        ([[-1]], False),
        ([[1, 1], [1, 1]], True),
        ([[1, 2], [2, 1]], False),
        ([[0, 1], [1, 1]], False),
        ([[0, 0], [0, 1]], True),
        ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], True),
        ([[1, 1, 0], [1, 1, 1], [0, 1, 1]], False),
    ],
)
def test_the_elimination_is_exact(rows: list[list[int]], expected: bool) -> None:
    assert is_positive_semidefinite([[Fraction(value) for value in row] for row in rows]) is expected


# --- Nothing is without a limit ---


@pytest.mark.parametrize("control", list(Control))
def test_an_order_that_no_limit_of_a_control_covers_is_told_at_load(tmp_path: Path, control: Control) -> None:
    (old,) = [line for line in AMPLE_RISK.splitlines() if line.startswith(f"{control} =")]

    assert problems(tmp_path, (f"{old}\n", "")) == [
        f'risk.limits: no limit of {control} applies to client demo, account ACC1, any strategy in ACME at XSIM (and 3 more such ways): its orders would be refused; expected one at any scope on the way, such as "firm"'
    ]


def test_a_limit_may_stand_anywhere_on_the_way(tmp_path: Path) -> None:
    without = ("max_order_qty = 999_999_999_999_999\n", "")

    def limit(*places: str) -> str:
        return "".join(f'\n[[risk.limits]]\nscope = "{place}"\nmax_order_qty = 5\n' for place in places)

    for covered in (
        ("client:demo",), ("venue:*",), ("asset_class:*",), ("account:ACC1", "account:ACC2"), ("strategy:*",),
        ("asset_class:equity", "instrument:BUND"), ("account:*",), ("instrument:*",),
    ):  # fmt: skip
        said(tmp_path, without, more=limit(*covered))
    said(tmp_path, without, more=limit("desk:EQ") + desk("EQ", "", '["ACC1", "ACC2"]'))

    def way(*places: str, also: str = "") -> str:
        (line,) = problems(tmp_path, without, more=limit(*places) + also)
        return (
            line.removeprefix("risk.limits: no limit of max_order_qty applies to ")
            .partition(": its")[0]
            .partition(" (and")[0]
        )

    assert way("account:ACC1") == "client demo, account ACC2, any strategy in ACME at XSIM"
    assert way("strategy:ACC1/alpha") == "client demo, account ACC1, any strategy in ACME at XSIM"
    assert way("account:ACC1", "asset_class:equity") == "client demo, account ACC2, any strategy in BUND at XSIM"
    assert way("desk:EQ", also=desk("EQ", "", '["ACC2"]')) == "client demo, account ACC1, any strategy in ACME at XSIM"


def test_a_strategy_that_no_client_may_trade_for_is_no_scope(tmp_path: Path) -> None:
    named = ('accounts = ["ACC1", "ACC2"]', 'accounts = ["ACC1"]\nstrategies = ["alpha"]')

    (line,) = problems(tmp_path, named, more='\n[[risk.limits]]\nscope = "strategy:ACC1/alhpa"\nmax_order_qty = 5\n')
    assert line.endswith('did you mean "strategy:ACC1/alpha"?')


def test_a_named_strategy_needs_a_limit_of_its_own_only(tmp_path: Path) -> None:
    without = ("max_order_qty = 999_999_999_999_999\n", "")
    named = ('accounts = ["ACC1", "ACC2"]', 'accounts = ["ACC1"]\nstrategies = ["alpha"]')
    more = '\n[[risk.limits]]\nscope = "strategy:ACC1/{}"\nmax_order_qty = 5\n'

    said(tmp_path, without, named, more=more.format("alpha"))
    both = (named[0], named[1].replace('"alpha"', '"alpha", "beta"'))
    (line,) = problems(tmp_path, without, both, more=more.format("beta"))
    assert 'client demo, account ACC1, strategy "alpha" in ACME' in line


def test_a_limit_without_a_number_is_none(tmp_path: Path) -> None:
    """The shape alone never makes an unlimited default."""
    config = load(written(tmp_path), {})
    bare = replace(config, risk=replace(config.risk, limits=(RiskLimitsConfig("firm"),)))

    assert core_risk(bare).limits == {"firm": {}}
