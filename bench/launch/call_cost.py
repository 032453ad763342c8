"""Prints the CPU time in ns of one call of an application, without a server: ``call_cost.py MODULE:ATTRIBUTE PATH``."""

from __future__ import annotations

import importlib
import sys
import time
from wsgiref.util import setup_testing_defaults

BATCHES, CALLS = 10, 50

module_name, _, attribute = sys.argv[1].partition(":")
sys.path.insert(0, ".")
application = getattr(importlib.import_module(module_name), attribute)
template = {"PATH_INFO": sys.argv[2]}
setup_testing_defaults(template)


def batch_ns() -> int:
    begun = time.process_time_ns()
    for _ in range(CALLS):
        response = application(template.copy(), lambda status, headers, exc_info=None: None)
        b"".join(response)
        if hasattr(response, "close"):
            response.close()
    return (time.process_time_ns() - begun) // CALLS


# The least of them: what disturbs only adds, and the first ones import and fill caches.
print(min(batch_ns() for _ in range(BATCHES)))
