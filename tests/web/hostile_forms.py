"""Bodies that forms are attacked with: what each is about, and what a reader may make of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["CASES", "Case", "part"]

MULTIPART = "multipart/form-data; boundary=b"
URLENCODED = "application/x-www-form-urlencoded"


class Case(NamedTuple):
    """A body.

    status   of our answer: 200, or the refusal
    fields   what is read where it is taken; None where only the status counts
    """

    name: str
    body: bytes
    status: int
    fields: list[tuple[str, str]] | None = None
    content_type: str = MULTIPART


def part(name: str, value: bytes = b"1", more: str = "", head: str | None = None) -> bytes:
    """A part with its boundary before it."""
    disposition = f'Content-Disposition: form-data; name="{name}"{more}' if head is None else head
    return b"--b\r\n" + disposition.encode() + b"\r\n\r\n" + value + b"\r\n"


END = b"--b--\r\n"
AB = [("a", "1"), ("b", "2")]
AB_BODY = part("a") + part("b", b"2") + END


def multipart() -> Iterator[Case]:
    yield Case("plain", AB_BODY, 200, AB)
    yield Case("line end before the first boundary", b"\r\n" + AB_BODY, 200, AB)
    yield Case("text before the first boundary", b"preamble\r\n" + AB_BODY, 400)
    yield Case("text after the last boundary", AB_BODY + b"epilogue", 200, AB)
    yield Case("empty body", b"", 400)
    yield Case("only the last boundary", END, 200, [])
    yield Case("no part ends", part("a")[:-2], 400)
    yield Case("no last boundary", part("a") + part("b", b"2"), 400)
    yield Case("cut in a head", part("a") + b"--b\r\nContent-Disposition: form-da", 400)
    yield Case("cut in the last boundary", part("a") + b"--b-", 400)
    yield Case("boundary with more behind it is content", part("a", b"x\r\n--bc\r\ny") + END, 400)
    yield Case("boundary in the middle of a line is content", part("a", b"x --b y") + END, 200, [("a", "x --b y")])
    yield Case("blanks behind a boundary", part("a").replace(b"--b\r\n", b"--b  \r\n") + END, 400)
    yield Case("line ends of LF alone", AB_BODY.replace(b"\r\n", b"\n"), 400)
    yield Case("line ends of CR alone", AB_BODY.replace(b"\r\n", b"\r"), 400)
    yield Case("content of line ends", part("a", b"\r\n\r\n") + END, 200, [("a", "\r\n\r\n")])
    yield Case("content of nothing", part("a", b"") + END, 200, [("a", "")])
    yield Case("no boundary in the type", AB_BODY, 400, content_type="multipart/form-data")
    yield Case("an empty boundary", AB_BODY, 400, content_type="multipart/form-data; boundary=")
    yield Case("a boundary of 71 characters", AB_BODY, 400, content_type=f"multipart/form-data; boundary={'b' * 71}")
    yield Case("a boundary with a line end", AB_BODY, 400, content_type='multipart/form-data; boundary="b\r\n"')
    yield Case("two boundaries", AB_BODY, 200, AB, content_type="multipart/form-data; boundary=b; boundary=c")
    yield Case("another multipart type", AB_BODY, 200, [], content_type="multipart/mixed; boundary=b")
    yield Case("a head without a disposition", part("", head="Content-Type: text/plain") + END, 400)
    yield Case(
        "a disposition that is none of a form", part("", head='Content-Disposition: attachment; name="a"') + END, 400
    )
    yield Case("a disposition without a name", part("", head="Content-Disposition: form-data") + END, 400)
    yield Case(
        "two dispositions",
        part("", head='Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"') + END,
        400,
    )
    yield Case("a head without a colon", part("a", more="\r\nnonsense") + END, 400)
    yield Case("a folded head", part("a", more="\r\n folded: x") + END, 200, [("a", "1")])
    yield Case("a head of a blank before its colon", part("a", more="\r\nX : y") + END, 200, [("a", "1")])
    yield Case("a name of escapes", part("a%0D%0Ab%22") + END, 200, [('a\r\nb"', "1")])
    yield Case(
        "a coding of the content",
        part("a", b"MQ==", "\r\nContent-Transfer-Encoding: base64") + END,
        200,
        [("a", "MQ==")],
    )
    yield Case(
        "a charset of a part",
        part("a", b"\xff\xfe1\0", "\r\nContent-Type: text/plain; charset=utf-16") + END,
        200,
        None,
    )
    yield Case(
        "parts within a part",
        part("a", b"--c\r\n\r\nx\r\n--c--", "\r\nContent-Type: multipart/mixed; boundary=c") + END,
        200,
        None,
    )
    yield Case("10,000 fields", b"".join(part(f"f{n}") for n in range(10_000)) + END, 413)
    yield Case("10,000 files", b"".join(part(f"f{n}", b"x", '; filename="x"') for n in range(10_000)) + END, 413)
    yield Case(
        "10,000 empty files without a name", b"".join(part("f", b"", '; filename=""') for _ in range(10_000)) + END, 413
    )
    yield Case("a name of a megabyte", part("n" * (1 << 20)) + END, 413)
    yield Case("a file name of a megabyte", part("f", b"x", f'; filename="{"n" * (1 << 20)}"') + END, 413)
    yield Case("a head of 10,000 fields", part("a", more="".join(f"\r\nX-{n}: y" for n in range(10_000))) + END, 413)
    yield Case("a head without an end", part("a", more="\r\nX: " + "y" * (1 << 20)), 413)
    yield Case("a field of five megabytes", part("a", b"x" * (5 << 20)) + END, 413)
    yield Case("names of three megabytes in all", b"".join(part(f"{n:04}" + "n" * 4000) for n in range(800)) + END, 413)
    yield Case("beginnings of boundaries", part("a", b"\r\n--" * 300_000) + END, 200, None)
    yield Case("carriage returns", part("a", b"\r" * 1_000_000) + END, 200, None)
    yield Case("boundaries and nothing else", b"--b\r\n" * 200_000, 400)
    yield Case(
        "quotes in a disposition", part("", head="Content-Disposition: form-data; name=" + '"' * 3000) + END, 400
    )
    yield Case(
        "backslashes in a disposition", part("", head='Content-Disposition: form-data; name="' + "\\" * 3000) + END, 400
    )


def urlencoded() -> Iterator[Case]:
    def case(name: str, body: bytes, status: int, fields: list[tuple[str, str]] | None = None) -> Case:
        return Case(name, body, status, fields, URLENCODED)

    yield case("a plain form", b"a=1&b=2", 200, AB)
    yield case("an empty form", b"", 200, [])
    yield case("a form of no form", b"\xff\xfe=%zz&%", 200, [("\ufffd\ufffd", "%zz"), ("%", "")])
    yield case("100,000 fields", b"&".join(b"f%d=1" % n for n in range(100_000)), 413)
    yield case("100,000 separators", b"&" * 100_000, 413)
    yield case("a million equals signs", b"=" * 1_000_000, 200, [("", "=" * 999_999)])
    yield case("a million escapes", b"a=" + b"%41" * 300_000, 200, [("a", "A" * 300_000)])
    yield case("a million broken escapes", b"a=" + b"%" * 1_000_000, 200, [("a", "%" * 1_000_000)])
    yield case("a field of three megabytes", b"a=" + b"x" * (3 << 20), 413)


CASES = [*multipart(), *urlencoded()]
