"""The notes as an application of Flask."""
