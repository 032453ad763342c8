"""All programs of the catalogue as one application under `Checked`, for servers in processes of their own.

A field of the request names the program, so that nothing has to be taken out of the path; another one says which part
of it is the prefix that the program is mounted under.
"""

from __future__ import annotations

import functools
import gc
import json
import os
from typing import Any

from dragoman.contract import Checked, Finding
from tests.contract.programs import Program, programs

FINDINGS = "DRAGOMAN_TEST_FINDINGS"
"""The variable with the name of the file that each finding becomes a line of JSON in."""

BY_NAME = {program.name: program for program in programs()}


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Calls the program that the request names; without a name, collects what nobody has closed."""
    name = environ.pop("HTTP_X_PROGRAM", None)
    if name is None:
        gc.collect()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
        return [b"collected"]
    if prefix := environ.pop("HTTP_X_PREFIX", ""):
        environ["SCRIPT_NAME"] += prefix
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
    return checked(name)(environ, start_response)


@functools.cache
def checked(name: str) -> Any:
    """The program with a checker around it, and a middleware with one on both of its sides."""
    return wrapped(BY_NAME[name], lambda app: Checked(app, functools.partial(note, name), hints=BY_NAME[name].is_hint))


def wrapped(program: Program, wrap: Any) -> Any:
    middleware, application = program.build()
    inner = wrap(application)
    return inner if middleware is None else wrap(middleware(inner))


def note(name: str, finding: Finding) -> None:
    file, line = finding.where[:2] if finding.where else (None, None)
    told = {"rule": finding.rule, "party": finding.party, "file": file, "line": line, "is_hint": finding.hint}
    text = json.dumps({"program": name, **told})
    # One write of a short line: threads and processes do not mix them up.
    with open(os.environ[FINDINGS], "ab", buffering=0) as stream:
        stream.write(text.encode() + b"\n")
