"""A simulated exchange that speaks FIX and shares no code with the gateway it is used to test."""
