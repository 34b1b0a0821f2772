"""The pure core: what an order is and how it changes. No clock, no socket, no database, no logging."""
