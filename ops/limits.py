"""Limits that nothing reaches, for stacks that are about something else than risk.

A missing limit blocks, so each control has one; the sample configuration has sane ones.
"""

import re

AMPLE_RISK = """
[risk]
currency = "USD"
self_match = "off"

[risk.rates]
EUR = 1

[[risk.limits]]
scope = "firm"
max_order_qty = 999_999_999_999_999
max_order_value = 999_999_999_999_999
price_collar_pct = 999_999_999_999_999
price_collar_ticks = 999_999_999_999_999
message_rate = { count = 1_000_000, per_s = 1 }
order_to_trade = { ratio = 999_999_999_999_999 }
duplicate_window_s = 0
max_open_orders = 999_999_999_999_999
max_instruments = 999_999_999_999_999
max_venues = 999_999_999_999_999
max_position_qty = 999_999_999_999_999
max_gross_notional = 999_999_999_999_999
max_net_notional = 999_999_999_999_999
max_concentration_pct = { pct = 100 }
max_correlated_exposure = 999_999_999_999_999
max_margin = 999_999_999_999_999
max_loss = 999_999_999_999_999
max_drawdown = 999_999_999_999_999
max_mark_age_s = 999_999_999_999_999
max_mark_move_pct = 999_999_999_999_999
"""


def with_ample_limits(text: str) -> str:
    """The sample configuration with these in place of its own limits.

    Raises:
        ValueError: it has no section of risk at its end.
    """
    changed, count = re.subn(r"\n\[risk\]\n.*\Z", AMPLE_RISK, text, flags=re.DOTALL)
    if not count:
        raise ValueError("the configuration has no [risk]")
    return changed
