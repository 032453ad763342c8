"""How a middleware passes a response on: the head edited, the blocks one for one, the end told once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from dragoman.types import Environ, ExcInfo, StartResponse, Write

__all__ = ["Edit", "Headers", "close_of", "editing", "following", "is_file_response", "is_head", "with_fields"]

Headers: TypeAlias = list[tuple[str, str]]
"""A response's fields in the form of PEP 3333."""

Edit: TypeAlias = Callable[[str, Headers], tuple[str, Headers]]
"""Takes a status and a list of its own, and gives those that go out."""


def editing(start_response: StartResponse, edit: Edit, on_write: Callable[[bytes], object] | None = None) -> Any:
    """The start_response for the inside: each head goes out as `edit` makes it.

    on_write   is told of each block that the application hands to ``write()``, before it is sent

    An application's head that is no list of fields is passed on as it is: the server says what is wrong with it. So
    `edit` may take each field for a pair of texts.
    """

    def started(status: str, headers: Headers, exc_info: ExcInfo | None = None, /) -> Write:
        try:
            status, headers = edit(status, headers[:])
        except Exception:
            # Asked only now: to look at each field of each answer would cost more than most edits do.
            if is_head(status, headers):
                raise
        # PEP 3333: the third argument is an optional one, and there are servers that tell None from none.
        write = start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)
        if on_write is None:
            return write

        def written(block: bytes, /) -> object:
            on_write(block)
            return write(block)

        return written

    return started


def with_fields(start_response: StartResponse, fields: Mapping[str, tuple[str, str]], replaces: bool) -> Any:
    """The start_response for the inside: each head goes out with `fields`, which are by their names in lower case.

    replaces   whether the application's own of these names go, or are kept in their place

    What `editing` would do, for less: two parts of almost every stack do nothing else.
    """

    def started(status: str, headers: Headers, exc_info: ExcInfo | None = None, /) -> Write:
        made = headers
        try:
            if isinstance(headers, list):
                for name, _ in headers:
                    if name.lower() in fields:
                        made = merged(headers, fields, replaces)
                        break
                else:
                    made = [*headers, *fields.values()]
        except Exception:
            # As in `editing`.
            if is_head(status, headers):
                raise
        if exc_info is None:
            return start_response(status, made)
        return start_response(status, made, exc_info)

    return started


def merged(headers: Headers, fields: Mapping[str, tuple[str, str]], replaces: bool) -> Headers:
    if replaces:
        return [*(item for item in headers if item[0].lower() not in fields), *fields.values()]
    own = {name.lower() for name, _ in headers}
    return [*headers, *(field for name, field in fields.items() if name not in own)]


def is_head(status: object, headers: object) -> bool:
    """Whether PEP 3333 has it so: a text, and a list of pairs of texts."""
    return (
        isinstance(status, str)
        and isinstance(headers, list)
        and all(
            isinstance(one, tuple) and len(one) == 2 and all(isinstance(half, str) for half in one) for one in headers
        )
    )


def is_file_response(environ: Environ, result: object) -> bool:
    """Whether the server sends `result` by itself: it knows its wrapper by the type, so it has to go out as it is."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(result, wrapper)


def close_of(result: object) -> None:
    """Close an iterable of blocks, if it is one that wants it."""
    close = getattr(result, "close", None)
    if close is not None:
        close()


def following(
    environ: Environ,
    result: Iterable[bytes],
    on_block: Callable[[bytes], object] | None,
    on_end: Callable[[BaseException | None], object],
) -> Iterable[bytes]:
    """`result`, block for block. `on_end` is called once, at the latest by close(), with what was raised or None.

    A file that the server sends by itself goes out as it is, and is taken as ended here: its end is the server's alone.
    The number of blocks is kept where it is known: from one alone a server makes the Content-Length.
    """
    if is_file_response(environ, result):
        on_end(None)
        return result
    kind = SizedFollowed if hasattr(result, "__len__") else Followed
    return kind(result, on_block, on_end)


class Followed:
    """An iterable of blocks that tells what goes through it."""

    def __init__(
        self,
        result: Iterable[bytes],
        on_block: Callable[[bytes], object] | None,
        on_end: Callable[[BaseException | None], object],
    ) -> None:
        self.result = result
        self.on_block = on_block
        self.on_end: Callable[[BaseException | None], object] | None = on_end
        self.blocks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self.blocks is None:
                self.blocks = iter(self.result)
            block = next(self.blocks)
        except StopIteration:
            raise
        except BaseException as error:
            self.end(error)
            raise
        if self.on_block is not None:
            self.on_block(block)
        return block

    def close(self) -> None:
        """Close what is inside, and tell the end."""
        try:
            close_of(self.result)
        except BaseException as error:
            self.end(error)
            raise
        self.end(None)

    def end(self, error: BaseException | None) -> None:
        """Tell of it, if that has not been done."""
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end(error)


class SizedFollowed(Followed):
    """The same, with the number of blocks."""

    def __len__(self) -> int:
        return len(self.result)  # type: ignore[arg-type]
