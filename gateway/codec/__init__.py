"""Pure translations between the core's structs and what travels: FIX, protobuf, journal records."""
