"""Pre-trade risk: what an order may do before it leaves, and what stops trading by itself. Pure like all the core."""
