"""A file that came in a form, and names under which such a file may be kept."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dragoman.http.forms import Upload

__all__ = ["UploadedFile", "secure_filename"]

BLOCK_BYTES = 64 << 10
# Names that Windows takes for devices, whatever follows after a point.
DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{name}{n}" for name in ("COM", "LPT") for n in range(10))})
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
NOT_KEPT = ("headers", "mimetype_params")


class UploadedFile:
    """A file of a form, open for reading at its beginning; it is closed, and removed, when the request has ended.

    It has what files have besides, so that libraries take it for one.

    name           of the form's field
    filename       as the client calls it: for showing; for a path take `secure_filename` of it, or a name of your own
    content_type   as the client calls it, unchecked
    stream         its content, open for reading at its beginning
    content_length   bytes of its content
    """

    __slots__ = ("_upload",)

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    @property
    def name(self) -> str:
        """Of the form's field."""
        return self._upload.name

    @property
    def filename(self) -> str:
        """As the client calls it, unchecked."""
        return self._upload.file_name

    @property
    def content_type(self) -> str:
        """As the client calls it, unchecked."""
        return self._upload.media_type

    @property
    def mimetype(self) -> str:
        """The same: parameters are not kept."""
        return self._upload.media_type

    @property
    def content_length(self) -> int:
        """Bytes of its content."""
        return self._upload.size_bytes

    @property
    def stream(self) -> IO[bytes]:
        """Its content."""
        return self._upload.file

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes of the content, all that is left by default."""
        return self._upload.file.read(size)

    def readline(self, size: int = -1) -> bytes:
        """Up to and with the next line end, at most `size` bytes of it."""
        return self._upload.file.readline(size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """The lines that are left; no further one once `hint` bytes have come."""
        return self._upload.file.readlines(hint)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on reading elsewhere; gives the place, counted from the beginning."""
        self._upload.file.seek(offset, whence)
        # Before Python 3.11 a spooled file gives nothing back.
        return self.tell()

    def tell(self) -> int:
        """The place of the next byte that is read, counted from the beginning."""
        return self._upload.file.tell()

    def save(self, target: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write the content to a path, or into an open file."""
        import shutil  # noqa: PLC0415

        self._upload.file.seek(0)
        if isinstance(target, str | os.PathLike):
            with Path(target).open("wb") as file:
                shutil.copyfileobj(self._upload.file, file, BLOCK_BYTES)
        else:
            shutil.copyfileobj(self._upload.file, target, BLOCK_BYTES)

    def close(self) -> None:
        """Close it now; it is removed."""
        self._upload.file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._upload.file)

    # Not for type checkers: to them each name would be right.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Before Python 3.11 a spooled file lacks half of what files have, and the file within it has all.
            file = None if name.startswith("_") else self._upload.file
            for one in (file, getattr(file, "_file", None)):
                if one is not None and hasattr(one, name):
                    return getattr(one, name)
            kept = ", as werkzeug's FileStorage has: name, filename and content_type are kept of a part's fields"
            raise AttributeError(f"UploadedFile has no {name!r}{kept if name in NOT_KEPT else ''}")

    def __repr__(self) -> str:
        return f"<UploadedFile {self.filename!r} ({self.content_type})>"


def secure_filename(filename: str) -> str:
    """A name of letters, digits, ``_``, ``-`` and points, that is no path and no device; empty where nothing is left.

    >>> secure_filename("../../etc/passwd"), secure_filename("Über mich.txt"), secure_filename("..")
    ('etc_passwd', 'Uber_mich.txt', '')
    """
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    name = UNSAFE.sub("_", plain.replace("/", " ").replace("\\", " ").strip()).strip("._")
    return f"_{name}" if name.partition(".")[0].upper() in DEVICES else name
