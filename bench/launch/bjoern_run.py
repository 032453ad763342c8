"""Starts bjoern, which has no command line: ``bjoern_run.py MODULE:ATTRIBUTE HOST PORT``."""

from __future__ import annotations

import importlib
import sys

import bjoern

module_name, _, attribute = sys.argv[1].partition(":")
sys.path.insert(0, ".")
bjoern.run(getattr(importlib.import_module(module_name), attribute), sys.argv[2], int(sys.argv[3]))
