"""Starts bjoern, which has no command line: ``bjoern_run.py MODULE:ATTRIBUTE HOST PORT WORKERS``."""

from __future__ import annotations

import importlib
import os
import sys

import bjoern

application, host, port, workers = sys.argv[1:]
module_name, _, attribute = application.partition(":")
sys.path.insert(0, ".")
bjoern.listen(getattr(importlib.import_module(module_name), attribute), host, int(port))
# Its README's way to several processes: fork between listen() and run(). This one serves as well.
for _ in range(int(workers) - 1):
    if os.fork() == 0:
        break
bjoern.run()
