"""Tests of `RateLimit`, its algorithms, its table and its storages."""
