"""A visitor: asks an application with the cookies that it was given, as a browser does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.cookies import SimpleCookie
from typing import Any

from dragoman.middleware.sessions import SESSION, Session
from tests.middleware.kit import Answered, Inner, ask

__all__ = ["SECRET", "Doing", "Visitor"]

SECRET = "a secret of 32 characters, or so"

Act = Callable[[Session], object]


class Doing(Inner):
    """An application that does something with its session, and keeps what came of it."""

    def __init__(self, act: Act = lambda session: None, **more: Any) -> None:
        super().__init__(**more)
        self.act = act
        self.result: Any = None

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.result = self.act(environ[SESSION])
        return super().answer(environ, start_response)


class Visitor:
    """Keeps cookies, and drops those whose Max-Age is 0."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make
        self.cookies: dict[str, str] = {}

    def __call__(self, act: Act, **more: Any) -> Any:
        """What `act` gives, in a request of this visitor."""
        self.answered, result = self.asking(act, **more)
        return result

    def asking(self, act: Act, **more: Any) -> tuple[Answered, Any]:
        inner = Doing(act)
        fields = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answered = ask(self.make(inner), headers=fields if self.cookies else {}, **more)
        inner.settled()
        for text in answered.values("Set-Cookie"):
            for name, morsel in SimpleCookie(text).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answered, result_of(inner)


def result_of(inner: Doing) -> Any:
    return inner.result
