"""The stores, each against the same tests."""
