"""``dragoman shell``: Python with an application loaded, and a request of it in hand."""

from __future__ import annotations

import code
import contextlib
import os
import sys
from typing import Any

from dragoman.check.layers import inner_applications
from dragoman.loader import Loaded, traceback_of

__all__ = ["run"]


def run(loaded: Loaded) -> int:
    """Read and run statements until the input ends. Gives the exit status.

    ``app`` is the application; what `App.make_shell_context` gives is there, too. Of what does not come from a terminal
    all is read and run, and an exception is status 1.
    """
    holder = holder_of(loaded.application)
    names: dict[str, Any] = {"__name__": "__console__", "__doc__": None, "app": holder or loaded.application}
    with contextlib.ExitStack() as stack:
        if holder is not None:
            stack.enter_context(holder.test_request_context())
            names |= holder.make_shell_context()
        if not sys.stdin.isatty():
            return run_all(sys.stdin.read(), names)
        startup(names)
        completing(names)
        code.interact(banner(loaded, names), local=names, exitmsg="")
    return 0


def holder_of(application: Any) -> Any:
    """The outermost application of dragoman.web or of Flask in what is loaded; None where there is none."""
    for one, _ in inner_applications(application):
        holder = getattr(one, "__self__", one)
        if callable(getattr(holder, "make_shell_context", None)) and hasattr(holder, "test_request_context"):
            return holder
    return None


def run_all(source: str, names: dict[str, Any]) -> int:
    try:
        exec(compile(source, "<stdin>", "exec"), names)
    except Exception as error:
        print(traceback_of(error), file=sys.stderr)
        return 1
    return 0


def startup(names: dict[str, Any]) -> None:
    """Run the file that PYTHONSTARTUP names, as Python does."""
    path = os.environ.get("PYTHONSTARTUP")
    if path and os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            exec(compile(file.read(), path, "exec"), names)


def completing(names: dict[str, Any]) -> None:
    """Complete names with the tabulator key, where this Python can."""
    try:
        import readline  # noqa: PLC0415
        import rlcompleter  # noqa: PLC0415
    except ImportError:
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete")


def banner(loaded: Loaded, names: dict[str, Any]) -> str:
    listed = ", ".join(sorted(name for name in names if not name.startswith("_")))
    return f"Python {sys.version.split()[0]} with {loaded.name}: {listed}"
