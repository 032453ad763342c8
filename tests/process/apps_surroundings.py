"""An application that tells what the server has made of its process: user, groups, environment, orphans."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from tests.support.routing import Environ, Routes, StartResponse, answer_json, start_octets
from tests.support.views import held

app = Routes()

AT_IMPORT = {"uids": os.getresuid(), "gids": os.getresgid(), "groups": sorted(os.getgroups())}
"""Who the process was when the first line of the application ran."""


@app.view
def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The shortest answer."""
    start_octets(start_response, ("Content-Length", "5"))
    return [b"hello"]


app.view(held)


@app.view
def identity(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """User and groups at import and now, and which ways back to root are open."""
    now = {"uids": os.getresuid(), "gids": os.getresgid(), "groups": sorted(os.getgroups())}
    ways = {
        "setuid": lambda: os.setuid(0),
        "seteuid": lambda: os.seteuid(0),
        "setgid": lambda: os.setgid(0),
        "setgroups": lambda: os.setgroups([0]),
    }
    open_ways = []
    for name, way in ways.items():
        try:
            way()
        except PermissionError:
            continue
        open_ways.append(name)
    return answer_json(start_response, {"at_import": AT_IMPORT, "now": now, "open_ways": open_ways})


@app.view
def environment(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The environment of a program that the application starts."""
    output = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    return answer_json(start_response, dict(line.split("=", 1) for line in output.splitlines() if "=" in line))


@app.view
def leave_an_orphan(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Starts a process whose parent ends at once."""
    subprocess.run(["sh", "-c", "sleep 1000 >/dev/null 2>&1 &"], check=True)
    return answer_json(start_response, True)
