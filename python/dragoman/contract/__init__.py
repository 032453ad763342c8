"""The rules of the WSGI contract, the checker that holds programs to them, and explanations. Imports no server."""

from dragoman.contract.checked import Checked
from dragoman.contract.explain import explain, index
from dragoman.contract.finding import ContractBreach, Finding
from dragoman.contract.report import Reporter, render
from dragoman.contract.rules import RULES, Rule

__all__ = ["RULES", "Checked", "ContractBreach", "Finding", "Reporter", "Rule", "explain", "index", "render"]
