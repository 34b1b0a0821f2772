"""The crash campaign: processes killed at random moments under load, and three accounts of it compared."""
