"""The gRPC API: what strategies and operators talk to. `server.ApiServer` is the way in."""
