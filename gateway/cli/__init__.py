"""The command lines: `gateway` (the server and its journal) and `gatewayctl` (administration)."""
