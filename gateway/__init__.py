"""A FIX-native order gateway: one durable, idempotent truth about every order."""

__version__ = "0.1.0"
