"""Tests of single parts, without sockets to clients."""
