"""Starts fastwsgi with TCP_NODELAY, beyond its command line: ``fastwsgi_run.py MODULE:ATTRIBUTE HOST PORT``."""

from __future__ import annotations

import importlib
import sys

import fastwsgi

module_name, _, attribute = sys.argv[1].partition(":")
sys.path.insert(0, ".")
# With Nagle's algorithm, its default, pipelined answers wait 40 ms for the client's delayed ACK.
fastwsgi.server.tcp_nodelay = 1
fastwsgi.run(getattr(importlib.import_module(module_name), attribute), sys.argv[2], int(sys.argv[3]))
