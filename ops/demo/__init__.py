"""The demo: two simulated venues, the gateway and a strategy, watched live and checked at the end."""
