"""One request to an application, made as a server makes it, with a checker of the contract between the two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dragoman.contract import Checked, ContractBreach, Finding
from dragoman.middleware.passing import close_of
from dragoman.types import Environ, ExcInfo, Write, WSGIApplication

__all__ = ["Blocks", "Findings", "exchanged"]


class Findings:
    """Breaches that the checker has found and nobody has been told of."""

    def __init__(self) -> None:
        self.waiting: list[Finding] = []

    def told(self) -> None:
        """Raise the first one."""
        if self.waiting:
            first, self.waiting[:] = self.waiting[0], []
            raise ContractBreach(first)

    def left_to(self, error: BaseException) -> None:
        """Leave it at an exception of the application's, which is raised in their place; they stand below it."""
        for finding in self.waiting:
            # Python 3.10 has no notes.
            if finding.rule != "exception-after-start" and hasattr(error, "add_note"):
                error.add_note(str(finding))
        self.waiting.clear()

    def sieve(self, is_own_server: bool) -> Callable[[Finding], None]:
        """Takes findings. `is_own_server`: whether what a server has to do is done by the library, not by the test."""

        def note(finding: Finding) -> None:
            if is_own_server or finding.party != "server":
                self.waiting.append(finding)

        return note


def exchanged(
    app: WSGIApplication, environ: Environ, findings: Findings, *, is_own_environ: bool, is_buffered: bool
) -> tuple[str, list[tuple[str, str]], bytes | Blocks]:
    """Status, fields and body of an answer: all of it, or blocks that come one by one.

    is_own_environ   whether the environ is one that a server would make, so that what is wrong with it is our fault
    Raises what the application raises, and ContractBreach for what it does against PEP 3333.
    """
    answer = Answer()
    checked = Checked(app, findings.sieve(is_own_environ and is_buffered))
    try:
        result = checked(environ, answer.start_response)
    except BaseException as error:
        findings.left_to(error)
        raise
    blocks = Blocks(result, answer, findings)
    if is_buffered:
        body = b"".join(blocks)
        blocks.close()
    else:
        blocks.begin()
    if answer.head is None:
        raise AssertionError("the application has not called start_response")
    return *answer.head, body if is_buffered else blocks


class Answer:
    """What the application has said of its answer."""

    def __init__(self) -> None:
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self.written: list[bytes] = []
        self.is_sent = False

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | tuple[None, None, None] | None = None,
        /,
    ) -> Write:
        """PEP 3333. A second call is the checker's to tell of."""
        if exc_info and exc_info[1] is not None and self.is_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        # Whoever changes the list later does not change the answer.
        self.head = status, list(headers) if isinstance(headers, list) else headers
        return self.written.append


class Blocks:
    """The blocks of an answer. What the checker finds is raised where it is found."""

    def __init__(self, result: Any, answer: Answer, findings: Findings) -> None:
        self.result: Iterable[bytes] | None = result
        self.answer = answer
        self.findings = findings
        self.iterator: Iterator[bytes] | None = None
        # Asked for already, because the head goes out with the first that is not empty.
        self.ahead: list[bytes] = []
        self.told()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self.ahead.pop(0) if self.ahead else self.asked()

    def asked(self) -> bytes:
        """The next block. Raises StopIteration."""
        if self.result is None:
            raise StopIteration
        try:
            block = self.step()
        except StopIteration:
            self.told()
            raise
        except BaseException as error:
            self.end()
            self.findings.left_to(error)
            raise
        self.told()
        return block

    def step(self) -> bytes:
        if self.iterator is None:
            assert self.result is not None
            self.iterator = iter(self.result)
        # What was written goes out before what is iterated.
        block = self.written()
        if not block:
            try:
                block = next(self.iterator)
            except StopIteration:
                block = self.written()
                if not block:
                    raise
        self.answer.is_sent = self.answer.is_sent or bool(block)
        return block

    def written(self) -> bytes:
        written = self.answer.written
        block = b"".join(written)
        written.clear()
        return block

    def begin(self) -> None:
        """Go on to where the head would be sent."""
        for block in iter(self.asked, None):
            self.ahead.append(block)
            if block:
                break

    def close(self) -> None:
        """Have the application's close() called, once."""
        self.end()
        self.findings.told()

    def end(self) -> None:
        result, self.result = self.result, None
        close_of(result)

    def told(self) -> None:
        """Raise what was found; nothing more is asked for then."""
        if self.findings.waiting:
            try:
                self.end()
            finally:
                self.findings.told()
