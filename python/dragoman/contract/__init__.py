"""The rules of the WSGI contract, reports about their breaches, and their explanations. Imports no server."""

from dragoman.contract.explain import explain, index
from dragoman.contract.report import Reporter, render
from dragoman.contract.rules import RULES, Rule

__all__ = ["RULES", "Reporter", "Rule", "explain", "index", "render"]
