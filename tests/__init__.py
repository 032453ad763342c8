"""Tests of the server as a client sees it, and of its parts."""
