"""Starts fastwsgi or fastpysgi: ``fast_run.py fastwsgi|fastpysgi MODULE:ATTRIBUTE HOST PORT WORKERS [nodelay]``."""

from __future__ import annotations

import importlib
import sys

package, application, host, port, workers = sys.argv[1:6]
module_name, _, attribute = application.partition(":")
sys.path.insert(0, ".")
server = importlib.import_module(package)
# With Nagle's algorithm, their default, pipelined answers wait 40 ms for the client's delayed ACK.
server.server.tcp_nodelay = int(sys.argv[6:] == ["nodelay"])
server.run(getattr(importlib.import_module(module_name), attribute), host, int(port), workers=int(workers))
