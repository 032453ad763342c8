"""Runs a configuration file as gunicorn does, and finds which of its values depend on the machine that it runs on."""

import ast
import importlib
import os
import sys
from collections.abc import Iterator, Mapping

from dragoman.errors import OperatorError
from dragoman.hooks import run_file
from dragoman.loader import traceback_of
from dragoman.values import printable

__all__ = ["asked_by", "names_of"]

# What a file asks for values that differ from machine to machine, by the last name of the call or attribute.
ASKING = frozenset(
    {"argv", "cpu_count", "environ", "environb", "getenv", "gethostname", "process_cpu_count", "sched_getaffinity"}
)


def names_of(path: str) -> dict[str, object]:
    """What the configuration at `path` defines: a file, or ``python:MODULE``; it is run with gunicorn's ``sys.path``.

    Raises OperatorError for what cannot be read or fails.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    if not path.startswith("python:"):
        return run_file(path, "gunicorn's file")
    module = path.removeprefix("python:")
    try:
        return vars(importlib.import_module(module))
    except (Exception, SystemExit) as error:
        raise OperatorError(
            f'gunicorn\'s module "{printable(module)}" cannot be imported: {type(error).__name__}', traceback_of(error)
        ) from None


def asked_by(code: bytes | str) -> dict[str, frozenset[str]]:
    """For each name that a file defines: what of `ASKING` its value depends on, by way of other names of the file too.

    code   the text of the file, which has been run: its syntax is right
    """
    uses: dict[str, set[str]] = {}
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                name = alias.asname or alias.name.partition(".")[0]
                uses.setdefault(name, set()).add(alias.name.rpartition(".")[2])
        else:
            for name in defined_by(statement):
                uses.setdefault(name, set()).update(identifiers(statement))
    return {name: frozenset(reached(name, uses) & ASKING) for name in uses}


def defined_by(node: ast.AST) -> Iterator[str]:
    """The names that a statement at the top of a file gives a value, in branches and loops too."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        # The names in it are its own.
        yield node.name
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from defined_by(child)


def identifiers(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def reached(name: str, uses: Mapping[str, set[str]]) -> set[str]:
    """Every identifier that the value of `name` was made with."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for one in uses.get(waiting.pop(), set()) - found:
            found.add(one)
            waiting.append(one)
    return found
