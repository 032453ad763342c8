"""Where the benchmarks keep what they build and write."""

from __future__ import annotations

from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
APPS = BENCH / "apps"
LAUNCH = BENCH / "launch"
OUT = BENCH / "out"
STATIC = OUT / "static"
VENV = BENCH / ".venv"
UNPACKED = VENV / "debian"
"""Where ``setup.py`` unpacks programs that are Debian packages, without installing them."""
PEERS = BENCH / "peers.toml"
CLIENT_SOURCE = BENCH / "client"
CLIENT_TARGET = VENV / "client"
"""Cargo's target directory for the client: inside the environment, so that one removal clears everything."""
CLIENT = CLIENT_TARGET / "release" / "bench-client"
