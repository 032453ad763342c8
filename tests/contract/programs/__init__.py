"""The catalogue: what a program breaks, where, whose fault it is, and the requests that show it."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "GET",
    "Program",
    "Request",
    "broken",
    "broken_middleware",
    "broken_server",
    "hinted",
    "hinted_middleware",
    "legal",
    "legal_middleware",
    "legal_server",
    "programs",
]

Kind = Literal["application", "middleware", "server"]
MARKS = ("# breach", "# hint")


@dataclass(frozen=True)
class Request:
    """What the client sends, and how long it stays.

    environ    replaces keys of the environ; a value of None leaves the key out
    blocks     the client goes away after this many blocks; None: it stays to the end
    """

    method: str = "GET"
    path: str = "/"
    script_name: str = ""
    body: bytes = b""
    environ: Mapping[str, Any] = field(default_factory=dict)
    blocks: int | None = None


GET = Request()


@dataclass(frozen=True)
class Program:
    """One program of the catalogue.

    rule       the rule it breaks; None: it breaks none
    is_hint    it is legal, but the rule has a word to say if it is asked to
    kind       who the program is; an application and a middleware are called, a server calls
    build      gives (middleware or None, application or None) for one run, so that runs share no state
    misbehave  what a server program does instead of serving properly
    also       rules that may be reported beside `rule`, because the one breach breaks them too
    lines      where a report may point to: lines with a mark, in `file`; none: no line can be blamed
    """

    name: str
    rule: str | None
    kind: Kind
    about: str
    requests: tuple[Request, ...]
    build: Callable[[], tuple[Any, Any]]
    misbehave: Callable[[Any, Any], None] | None
    file: str
    lines: frozenset[int]
    is_hint: bool = False
    also: frozenset[str] = frozenset()

    @property
    def is_broken(self) -> bool:
        return self.rule is not None and not self.is_hint


REGISTRY: dict[str, Program] = {}


def programs() -> tuple[Program, ...]:
    """All programs, by subject."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(REGISTRY.values())


def broken(rule: str, *requests: Request, also: tuple[str, ...] = (), makes: bool = False) -> Any:
    """Decorator: the application breaks the rule. A class with `__call__` stands for an instance of it; with `makes`,
    the function makes the application.
    """
    return lambda source: register(source, "application", rule, requests, also, lambda: (None, made(source, makes)))


def hinted(rule: str, *requests: Request) -> Any:
    """Decorator: the application is legal, and the rule gives a hint about it."""
    return lambda source: register(
        source, "application", rule, requests, (), lambda: (None, made(source, False)), is_hint=True
    )


def legal(*requests: Request, makes: bool = False) -> Any:
    """Decorator: the application keeps the contract, in its own way."""
    return lambda source: register(source, "application", None, requests, (), lambda: (None, made(source, makes)))


def broken_middleware(rule: str, *requests: Request, around: Any, also: tuple[str, ...] = ()) -> Any:
    """Decorator: what the function makes of the application breaks the rule."""
    return lambda source: register(source, "middleware", rule, requests, also, lambda: (source, made(around, False)))


def hinted_middleware(rule: str, *requests: Request, around: Any) -> Any:
    """Decorator: the middleware is legal, and the rule gives a hint about it."""
    return lambda source: register(
        source, "middleware", rule, requests, (), lambda: (source, made(around, False)), is_hint=True
    )


def legal_middleware(*requests: Request, around: Any) -> Any:
    """Decorator: the middleware keeps the contract, in its own way."""
    return lambda source: register(source, "middleware", None, requests, (), lambda: (source, made(around, False)))


def broken_server(rule: str, *requests: Request, around: Any, also: tuple[str, ...] = ()) -> Any:
    """Decorator: the function, called with a server and an application, breaks the rule as it calls."""
    return lambda source: register(source, "server", rule, requests, also, lambda: (None, made(around, False)))


def legal_server(*requests: Request, around: Any) -> Any:
    """Decorator: the function serves as few servers do, and may."""
    return lambda source: register(source, "server", None, requests, (), lambda: (None, made(around, False)))


def made(source: Any, makes: bool) -> Any:
    is_class_of_applications = isinstance(source, type) and "__call__" in vars(source)
    return source() if makes or is_class_of_applications else source


def register(
    source: Any,
    kind: Kind,
    rule: str | None,
    requests: tuple[Request, ...],
    also: tuple[str, ...],
    build: Callable[[], tuple[Any, Any]],
    is_hint: bool = False,
) -> Any:
    subject = source.__module__.rpartition(".")[2]
    name = f"{subject}/{source.__name__.strip('_').replace('_', '-').lower()}"
    assert name not in REGISTRY, f"there are two programs {name}"
    assert source.__doc__, f"{name} does not say what it is"
    file, lines = marked_lines(source)
    assert bool(lines) <= (rule is not None), f"{name} marks a line and breaks no rule"
    REGISTRY[name] = Program(
        name,
        rule,
        kind,
        inspect.cleandoc(source.__doc__),
        requests or (GET,),
        build,
        source if kind == "server" else None,
        file,
        lines,
        is_hint,
        frozenset(also),
    )
    return source


def marked_lines(source: Any) -> tuple[str, frozenset[int]]:
    """The file, and the lines that carry a mark. The line of a `def` stands for its decorators, too: Python counts a
    function from there.
    """
    text, first = inspect.getsourcelines(source)
    found = set()
    for at, line in enumerate(text):
        if not any(mark in line for mark in MARKS):
            continue
        found.add(first + at)
        if line.lstrip().startswith(("def ", "async def ", "class ")):
            above = at - 1
            while above >= 0 and text[above].lstrip().startswith("@"):
                found.add(first + above)
                above -= 1
    file = inspect.getsourcefile(source)
    assert file is not None
    return str(Path(file).resolve()), frozenset(found)
