"""Errors as answers: problem details in JSON, and the same in HTML and plain text (RFC 9457)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from dragoman.http.statuses import reason_phrase

__all__ = ["HTML", "JSON", "TEXT", "Problem"]

JSON = "application/problem+json"
"""The Content-Type of `Problem.to_json`."""
HTML = "text/html; charset=utf-8"
"""The Content-Type of `Problem.to_html`."""
TEXT = "text/plain; charset=utf-8"
"""The Content-Type of `Problem.to_text`."""

BLANK = "about:blank"
# RFC 9457 §3.1: what has a meaning of its own.
MEMBERS = frozenset({"type", "title", "status", "detail", "instance"})
# RFC 9457 §3.2: letters, digits and "_", beginning with a letter, three or more.
EXTENSION = re.compile(r"[A-Za-z][0-9A-Za-z_]{2,}")
# RFC 3986 §2: what a URI reference is made of.
URI = re.compile(r"[!#$%&'()*+,/0-9:;=?@A-Z\[\]_a-z~.-]*")
# No script ends in what stands between these, and no reader takes JSON for HTML.
IN_JSON = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Problem:
    """What went wrong with a request, for a person and for a program.

    status       of the answer, 400 to 599
    title        in few words, the same for each problem of its type; the reason phrase when it is empty
    detail       what was wrong this time, and how to mend it; empty for nothing. Clients see it: no secrets, no traces.
    type         a URI reference that names the kind of problem
    instance     a URI reference that names this one; empty for none
    extensions   further members by name: letters, digits and ``_``, three or more; JSON values
    Raises ValueError for another status, a type or instance that is no URI reference, and an extension that has the
    name of a member or another form.
    Source: RFC 9457 §3.

    >>> Problem(404, detail="There is no page /x").to_json()
    b'{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no page /x"}'
    """

    status: int
    title: str = ""
    detail: str = ""
    type: str = BLANK
    instance: str = ""
    extensions: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"problem with status {self.status!r}: want a number from 400 to 599")
        for name, value in (("type", self.type), ("instance", self.instance)):
            if URI.fullmatch(value) is None:
                raise ValueError(f"problem with {name} {value!r}: want a URI reference, percent-encoded")
        for name in self.extensions:
            if name in MEMBERS or EXTENSION.fullmatch(name) is None:
                raise ValueError(
                    f"problem with extension {name!r}: want letters, digits and _, three or more, and none of"
                    f" {', '.join(sorted(MEMBERS))}"
                )

    @property
    def shown_title(self) -> str:
        """The title, or the reason phrase of the status."""
        return self.title or reason_phrase(self.status)

    def to_json(self) -> bytes:
        """The problem as JSON, of ASCII alone, in which ``<``, ``>`` and ``&`` are escaped.

        Raises ValueError for an extension that JSON does not know.
        Source: RFC 9457 §3, RFC 8259.

        >>> Problem(400, "Bad </script>", extensions={"errors": [1]}).to_json()
        b'{"type": "about:blank", "title": "Bad \\\\u003c/script\\\\u003e", "status": 400, "errors": [1]}'
        """
        members: dict[str, object] = {"type": self.type or BLANK, "title": self.shown_title, "status": int(self.status)}
        if self.detail:
            members["detail"] = self.detail
        if self.instance:
            members["instance"] = self.instance
        try:
            text = json.dumps({**members, **self.extensions}, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"problem with extensions {list(self.extensions)}: want JSON values: {error}") from error
        return text.translate(IN_JSON).encode("ascii")

    def to_html(self) -> bytes:
        """The problem as a page without scripts, styles or links; extensions are left out.

        Source: WHATWG HTML, "Escaping a string".

        >>> b"<p>&lt;b&gt; is no name</p>" in Problem(400, detail="<b> is no name").to_html()
        True
        """
        title = escape(one_line(f"{self.status} {self.shown_title}"))
        detail = f"<p>{escape(one_line(self.detail))}</p>\n" if self.detail else ""
        head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n'
        return f"{head}<h1>{title}</h1>\n{detail}".encode("utf-8", "replace")

    def to_text(self) -> bytes:
        """The problem as lines of text: the status with the title, then the detail; extensions are left out.

        Control characters become blanks, so that no terminal obeys them.
        Source: RFC 9457 has none; for people who ask with curl.

        >>> Problem(404, detail="There is no page /x").to_text()
        b'404 Not Found\\nThere is no page /x\\n'
        """
        lines = [f"{self.status} {self.shown_title}", *([self.detail] if self.detail else [])]
        return "".join(f"{one_line(line)}\n" for line in lines).encode("utf-8", "replace")


def one_line(text: str) -> str:
    return CONTROLS.sub(" ", text)
