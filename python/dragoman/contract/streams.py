"""wsgi.input and wsgi.errors as the application has them under a checker: the same, and watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dragoman.contract.judge import shown
from dragoman.contract.places import caller
from dragoman.contract.transcript import Phase, Transcript

__all__ = ["CheckedErrors", "CheckedInput"]


class Stream:
    """Passes everything on to `stream`."""

    __slots__ = ("_stream", "_transcript")

    def __init__(self, stream: Any, transcript: Transcript) -> None:
        # Of two checkers the inner one judges: what is read through both is read once.
        self._stream: Any = stream._stream if isinstance(stream, Stream) else stream
        self._transcript = transcript

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class CheckedInput(Stream):
    """wsgi.input: PEP 3333 promises read, readline, readlines and iteration."""

    __slots__ = ()

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        return self._ask("read", args, kwargs)

    def readline(self, *args: Any, **kwargs: Any) -> bytes:
        return self._ask("readline", args, kwargs)

    def readlines(self, *args: Any, **kwargs: Any) -> list[bytes]:
        self._judge("readlines", args, kwargs)
        return self._watched(self._stream.readlines, args, kwargs)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[bytes]:
        self._judge("__iter__", (), {})
        return iter(self._stream)

    def close(self) -> None:
        self._transcript.running.breach("input-closed", {}, caller())
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        if not callable(found) or name.startswith("_"):
            return found

        def beyond_the_promise(*args: Any, **kwargs: Any) -> Any:
            if "input-attribute" not in self._transcript.running.flagged:
                self._transcript.running.breach("input-attribute", {"name": name}, caller())
            return self._watched(found, args, kwargs)

        return beyond_the_promise

    def _ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        self._judge(name, args, kwargs)
        data: bytes = self._watched(getattr(self._stream, name), args, kwargs)
        self._transcript.running.read(bool(args) and args[0] == 0, data)
        return data

    def _judge(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._transcript.phase is Phase.ENDED:
            self._transcript.used_late("wsgi.input")
        is_size = not args or args[0] is None or (isinstance(args[0], int) and not isinstance(args[0], bool))
        if kwargs or len(args) > 1 or not is_size:
            given = ", ".join([*map(shown, args), *(f"{key}={shown(value)}" for key, value in kwargs.items())])
            self._transcript.running.breach("input-read-arguments", {"name": name, "value": given}, caller())

    def _watched(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return function(*args, **kwargs)
        except OSError:
            # The client is gone, and the application may well let this pass.
            for one in (self._transcript, *self._transcript.outside()):
                one.has_failed_input = True
            raise


class CheckedErrors(Stream):
    """wsgi.errors: a text stream that is never closed."""

    __slots__ = ()

    def write(self, text: Any, *rest: Any) -> Any:
        self._judge("write", text)
        return self._stream.write(text, *rest)

    def writelines(self, lines: Iterable[Any]) -> Any:
        lines = list(lines)
        for line in lines:
            self._judge("writelines", line)
        return self._stream.writelines(lines)

    def flush(self) -> Any:
        return self._stream.flush()

    def close(self) -> None:
        self._transcript.running.breach("errors-closed", {}, caller())
        self._stream.close()

    def _judge(self, name: str, text: object) -> None:
        if not isinstance(text, str):
            facts = {"name": name, "value": shown(text), "got_type": type(text).__name__}
            self._transcript.running.breach("errors-not-text", facts, caller())
