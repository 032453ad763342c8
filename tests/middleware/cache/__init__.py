"""Tests of `Cache` and of what it is made of."""
