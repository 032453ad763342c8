"""The rules of the WSGI contract, the checker that holds programs to them, and explanations. Imports no server."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.contract.checked import Checked
    from dragoman.contract.explanations import explain, index
    from dragoman.contract.finding import ContractBreach, Finding
    from dragoman.contract.report import Reporter, render
    from dragoman.contract.rules import RULES, Rule
else:
    MODULE_OF = {
        "Checked": "checked",
        "ContractBreach": "finding",
        "Finding": "finding",
        "RULES": "rules",
        "Reporter": "report",
        "Rule": "rules",
        "explain": "explanations",
        "index": "explanations",
        "render": "report",
    }

    def __getattr__(name: str) -> object:
        # A server that starts needs the reporter alone.
        if name in MODULE_OF:
            return getattr(importlib.import_module(f"{__name__}.{MODULE_OF[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["RULES", "Checked", "ContractBreach", "Finding", "Reporter", "Rule", "explain", "index", "render"]
