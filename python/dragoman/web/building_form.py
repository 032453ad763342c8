"""Forms as clients send them: names with values, and files, as one body."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Mapping
from typing import IO, Any, TypeAlias
from urllib.parse import urlencode

from dragoman.http.media_types import parse_media_type
from dragoman.web.multidict import MultiDict

__all__ = ["Form", "encoded_form"]

Form: TypeAlias = "Mapping[str, Any]"
"""Names with values; a value is a text, bytes, a number, an open file, a tuple with one, or a list of these."""

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
OTHER = "application/octet-stream"
# HTML, "multipart form data": what stands for these in a name.
ESCAPED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def encoded_form(form: Form, content_type: str | None = None) -> tuple[bytes, str]:
    """The body of a form, and its type: as a query without files, in parts with some.

    content_type   of a form; one of parts may lack the boundary
    Raises TypeError for a value that is none, and for another type.

    >>> encoded_form({"name": "Ann", "tag": ["a", "b"]})
    (b'name=Ann&tag=a&tag=b', 'application/x-www-form-urlencoded')
    """
    parts = list(parts_of(form))
    given = parse_media_type(content_type or "")
    kind = given.essence if given is not None else MULTIPART if any(file for _, _, file in parts) else URLENCODED
    if content_type and (given is None or kind not in (URLENCODED, MULTIPART)):
        raise TypeError(
            f"a dict is a form, and content_type is {content_type!r}: want json=, or data= as text or bytes"
        )
    if kind == URLENCODED:
        if any(file for _, _, file in parts):
            raise TypeError(f"a form with files cannot be {URLENCODED}: want {MULTIPART}")
        return urlencode([(name, value) for name, value, _ in parts]).encode(), content_type or URLENCODED
    boundary = dict(given.parameters).get("boundary") if given is not None else None
    if boundary is None:
        boundary = os.urandom(16).hex()
        content_type = f"{MULTIPART}; boundary={boundary}"
    blocks = [part_of(boundary, *part) for part in parts]
    return b"".join([*blocks, f"--{boundary}--\r\n".encode()]), content_type or MULTIPART


def parts_of(form: Form) -> Iterator[tuple[str, bytes, tuple[str, str] | None]]:
    """Name and content of each value; of a file also its name and type."""
    pairs = form.lists() if isinstance(form, MultiDict) else form.items()
    for name, values in pairs:
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, tuple) or hasattr(value, "read"):
                yield name, *content_of(name, value)
            elif isinstance(value, str):
                yield name, value.encode(), None
            elif isinstance(value, bytes):
                yield name, value, None
            elif isinstance(value, bool | int | float):
                yield name, str(value).encode(), None
            else:
                raise TypeError(
                    f"form field {name!r} is {type(value).__name__}: want a text, a number, an open file,"
                    " (file, file name) or (file, file name, content type), or a list of these"
                )


def content_of(name: str, value: Any) -> tuple[bytes, tuple[str, str]]:
    """What is in a file, with its name and type. It is closed."""
    file, *others = value if isinstance(value, tuple) else (value,)
    file_name: Any = others[0] if others else getattr(file, "name", None)
    if not isinstance(file_name, str | os.PathLike) or len(others) > 2:
        raise TypeError(f"form field {name!r}: want a name for the file: (file, file name)")
    base_name = os.path.basename(file_name)
    kind = others[1] if len(others) == 2 else mimetypes.guess_type(base_name)[0]
    return read(name, file), (base_name, kind or OTHER)


def read(name: str, file: IO[bytes] | bytes) -> bytes:
    if isinstance(file, bytes):
        return file
    with file:
        content: object = file.read()
    if not isinstance(content, bytes):
        raise TypeError(f"form field {name!r}: the file is open as text; want one opened with mode 'rb'")
    return content


def part_of(boundary: str, name: str, content: bytes, file: tuple[str, str] | None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name.translate(ESCAPED)}"'
    lines = [f"--{boundary}", disposition]
    if file is not None:
        file_name, kind = file
        lines = [f"--{boundary}", f'{disposition}; filename="{file_name.translate(ESCAPED)}"', f"Content-Type: {kind}"]
    return "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"
