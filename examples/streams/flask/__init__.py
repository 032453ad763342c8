"""The streams as an application of Flask."""
