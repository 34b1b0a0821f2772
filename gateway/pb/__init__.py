"""Generated from proto/; never edited. `make proto` renews it."""
