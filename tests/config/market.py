"""The least that every configuration has to have: a venue and an instrument."""

MARKET = """\
[[venues]]
name = "XSIM"
begin_string = "FIX.4.4"
host = "127.0.0.1"
port = 9001
sender_comp_id = "GW"
target_comp_id = "XSIM"

[[instruments]]
symbol = "ACME"
venue_symbols = { XSIM = "ACME" }
tick_size = 0.01
lot_size = 1
currency = "USD"
"""
