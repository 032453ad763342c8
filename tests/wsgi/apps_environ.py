"""Applications that show their environ."""

from __future__ import annotations

import contextvars
import gc
import threading
from collections.abc import Iterable
from typing import Any

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, answer_json, start_octets

ENDED = {"environs": [], "input": None, "disconnected": None}  # type: dict[str, Any]


def dump(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers every request with types and values of its environ."""
    return answer_json(
        start_response,
        {
            "type": type(environ).__name__,
            "key_types": sorted({type(key).__name__ for key in environ}),
            "types": {key: type(value).__name__ for key, value in environ.items()},
            "values": {key: value for key, value in environ.items() if isinstance(value, (str, bool, int, tuple))},
        },
    )


app = Routes()


@app.view
def pollute(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Adds, changes and removes entries."""
    for key in list(environ):
        if key.startswith(("HTTP_", "wsgi.")):
            del environ[key]
    environ["REQUEST_METHOD"] = "POLLUTED"
    environ["HTTP_POLLUTED"] = "yes"
    environ["polluted"] = "yes"
    return answer_json(start_response, {})


@app.view
def keys(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Keys and the method."""
    return answer_json(start_response, {"keys": sorted(environ), "method": environ["REQUEST_METHOD"]})


@app.view
def kept(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Keeps every environ; says whether this one was met before."""
    is_new = all(environ is not earlier for earlier in ENDED["environs"])
    paths = [earlier["QUERY_STRING"] for earlier in ENDED["environs"]]
    ENDED["environs"].append(environ)
    return answer_json(start_response, {"new": is_new, "earlier": paths})


@app.view
def cleared(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Empties its environ, and then answers."""
    body = environ["wsgi.input"].read()
    environ.clear()
    start_octets(start_response)
    return [b"cleared ", body]


@app.view
def errors_stream(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Uses every method of wsgi.errors."""
    stream = environ["wsgi.errors"]
    stream.write("written: naïve ☃\n")
    stream.writelines(["first line\n", "second line\n"])
    stream.flush()
    return answer_json(start_response, {})


@app.view
def disconnected(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tells what dragoman.disconnected says now and after the test has opened the gate."""
    probe = Probe(environ)
    is_gone = environ["dragoman.disconnected"]
    ENDED["disconnected"] = is_gone
    probe.tell("before", is_gone())
    probe.wait("client acted")
    threads = threading.Event()
    while not is_gone() and not threads.wait(0.005):
        pass  # the event comes through the reactor; the test's deadline bounds the wait
    answers: list[bool] = []
    other = threading.Thread(target=lambda: answers.append(is_gone()))
    other.start()
    other.join()
    probe.tell("after", [is_gone(), *answers])
    start_octets(start_response)
    return [b"still sent"]


@app.view
def disconnected_of_ended_request(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Calls the function of a request that has ended."""
    return answer_json(start_response, isinstance(ENDED["disconnected"](), bool))


@app.view
def keep_input(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Keeps wsgi.input beyond the end of the request, unread."""
    ENDED["input"] = environ["wsgi.input"]
    return answer_json(start_response, {})


@app.view
def read_kept_input(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Reads the input of the ended request, then its own."""
    try:
        old = ENDED["input"].read(10).decode()
    except (OSError, ValueError, RuntimeError) as error:
        old = type(error).__name__
    return answer_json(start_response, {"old": old, "own": environ["wsgi.input"].read().decode()})


LOADED: contextvars.ContextVar[str] = contextvars.ContextVar("loaded")
LOADED.set("set at import")
SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("seen")


class _InContext:
    """An iterable that answers what it sees of the call's context, and tells it again at close()."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    def __iter__(self) -> Iterable[bytes]:
        yield SEEN.get("nothing").encode()

    def close(self) -> None:
        """Tells the context variable."""
        self.probe.tell("close", SEEN.get("nothing"))


@app.view
def context(environ: Environ, start_response: StartResponse) -> Any:
    """Sets a context variable, whose earlier value is told."""
    probe = Probe(environ)
    probe.tell("call", [SEEN.get("nothing"), LOADED.get("nothing")])
    SEEN.set("set in the call")
    start_octets(start_response)
    return _InContext(probe)


@app.view
def thread(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Describes the thread of the call."""
    current = threading.current_thread()
    return answer_json(
        start_response,
        {
            "name": current.name,
            "type": type(current).__name__,
            "is_main": current is threading.main_thread(),
            "is_listed": current in threading.enumerate(),
        },
    )


@app.view
def garbage(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Number of objects that a collection finds unreachable."""
    return answer_json(start_response, gc.collect())
