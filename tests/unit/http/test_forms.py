"""Forms: fields and files come through whole, however the body is cut; what has too much is refused with its status."""

import io
import os
import resource
import sys
import tracemalloc
from collections.abc import Iterator
from types import ModuleType
from urllib.parse import unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.forms import Form, FormError, FormNotKept, Limits, field_in_beginning, parse_form, parse_urlencoded

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_characters='"\\\r\n%', exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)


def part(name: str, content: bytes, file_name: str | None = None, more: str = "") -> bytes:
    file = "" if file_name is None else f'; filename="{file_name}"'
    return f'--XX\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{more}\r\n'.encode() + content + b"\r\n"


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


class Trickle:
    """A stream that gives `size` bytes at most for each read."""

    def __init__(self, body: bytes, size: int) -> None:
        self.stream = io.BytesIO(body)
        self.size = size

    def read(self, size: int, /) -> bytes:
        return self.stream.read(min(size, self.size))


def parsed(body: bytes, content_type: str | None = MULTIPART, limits: Limits | None = None) -> Form:
    return parse_form(io.BytesIO(body), content_type, len(body), limits=limits or Limits())


def refusal(body: bytes, content_type: str | None = MULTIPART, limits: Limits | None = None) -> int:
    with pytest.raises(FormError) as caught:
        parsed(body, content_type, limits)
    return caught.value.status


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        ("", []),
        ("a", [("a", "")]),
        ("=b", [("", "b")]),
        ("&&a=b&", [("a", "b")]),
        ("a=b=c", [("a", "b=c")]),
        ("a+b=%2B+", [("a b", "+ ")]),
        ("a=%C3%A9", [("a", "é")]),
        ("a=\xc3\xa9", [("a", "é")]),
        ("a=\u0100", [("a", "\u0100")]),
        ("a=%FF", [("a", "\ufffd")]),
        ("a=%zz%", [("a", "%zz%")]),
        ("a=1;b=2", [("a", "1;b=2")]),
        ("a[]=1&a[]=2", [("a[]", "1"), ("a[]", "2")]),
    ],
)
def test_urlencoded_pairs_are_read(data: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_urlencoded(data) == pairs
    assert parsed(data.encode("latin-1", "ignore"), f"{URLENCODED};charset=latin-1").fields == (
        pairs if data.isascii() or "\u0100" not in data else [("a", "")]
    )


@given(
    st.lists(st.sampled_from(["%", "%4", "%41", "%e2%82%ac", "%fF", "%zz", "%%", "a", "+", "€", "4", "1"])).map("".join)
)
def test_escapes_are_read_as_the_standard_library_reads_them(text: str) -> None:
    found = parse_urlencoded(f"a={text}".encode())
    assert found == [("a", unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace"))]


@pytest.mark.parametrize("unit", [b"%", b"%41", b"%zz"])
def test_escapes_take_room_in_proportion(unit: bytes) -> None:
    # The standard library makes an object of each, and an exception for each that is none: 4 s for 2 MB of "%".
    data = unit * 100_000
    tracemalloc.start()
    try:
        parse_urlencoded(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(data)


def test_more_fields_than_are_taken_are_refused() -> None:
    assert len(parse_urlencoded("a=1&b=2", most_fields=2)) == 2
    for data in ("a=1&b=2&c=3", "a=1&&b", "&&"):
        with pytest.raises(FormError) as caught:
            parse_urlencoded(data, most_fields=2)
        assert caught.value.status == 413


def test_fields_and_files_of_multipart_are_read() -> None:
    body = whole(
        part("a", b"1"),
        part("a", "é".encode()),
        part("f", b"\x00\xff" * 50, "me.png", "Content-Type: image/PNG; x=y\r\n"),
        part("g", b"", "empty"),
        part("h", b"", ""),
    )
    with parsed(body) as form:
        assert form.fields == [("a", "1"), ("a", "é")]
        assert form.get("a") == "1" and form.get_all("a") == ["1", "é"] and form.get("x") is None
        assert [(one.name, one.file_name, one.media_type, one.size_bytes) for one in form.files] == [
            ("f", "me.png", "image/png", 100),
            ("g", "empty", "application/octet-stream", 0),
        ]
        upload = form.get_file("f")
        assert upload is not None and upload.file.read() == b"\x00\xff" * 50
        assert form.get_file("h") is None
    assert all(one.file.closed for one in form.files)


def test_a_large_file_goes_to_disk_and_a_small_one_stays_in_memory() -> None:
    limits = Limits(file_memory_bytes=100)
    with parsed(whole(part("f", b"x" * 101, "a"), part("g", b"x" * 100, "b")), limits=limits) as form:
        assert [getattr(one.file, "_rolled") for one in form.files] == [True, False]  # noqa: B009
        assert [len(one.file.read()) for one in form.files] == [101, 100]


def test_limits_of_nothing_are_limits() -> None:
    with parsed(whole(part("f", b"xx", "a")), limits=Limits(file_memory_bytes=0)) as form:
        assert getattr(form.files[0].file, "_rolled")  # noqa: B009
    with pytest.raises(ValueError, match="fields=-1: want 0 or more"):
        Limits(fields=-1)


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "multipart/mixed; boundary=XX", "rubbish"])
def test_what_is_no_form_is_415(content_type: str | None) -> None:
    assert refusal(b"", content_type) == 415


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
        'multipart/form-data; boundary="a "',
        'multipart/form-data; boundary="\xe9"',
    ],
)
def test_a_boundary_that_is_none_is_400(content_type: str) -> None:
    assert refusal(whole(), content_type) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"preamble\r\n" + whole(part("a", b"1")),
        b"\r\n\r\n" + whole(part("a", b"1")),
        part("a", b"1"),
        whole(part("a", b"1"))[:-6],
        b"--XX\r\n\r\n1\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XX--\r\n",
        b'--XX\nContent-Disposition: form-data; name="a"\n\n1\n--XX--\n',
        b'--XX\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n1\r\n--XX--\r\n',
        b"--XX\r\nbroken\r\n\r\n1\r\n--XX--\r\n",
        whole(part("", b"1")),
    ],
)
def test_a_body_that_is_no_multipart_is_400(body: bytes) -> None:
    assert refusal(body) == 400
    assert refusal(body, MULTIPART, Limits(body_bytes=max(len(body), 1))) == 400


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        (whole(part("a", b"1"), part("b", b"1")), Limits(fields=1)),
        (whole(part("a", b"1"), part("b", b"1")), Limits(fields=1, files=0)),
        (whole(part("a", b"1", "x"), part("b", b"1", "y")), Limits(files=1)),
        (whole(part("a", b"", "x"), part("b", b"", "y")), Limits(files=1)),
        (whole(part("a", b"x" * 100)), Limits(memory_bytes=100)),
        (whole(part("a" * 101, b"")), Limits(memory_bytes=100)),
        (whole(part("a" * 200, b"1")), Limits(header_bytes=150)),
        (whole(part("a", b"1", None, "X: y\r\n" * 8)), Limits()),
        (whole(part("a", b"1")), Limits(body_bytes=50)),
    ],
)
def test_what_has_more_than_its_limits_is_413(body: bytes, limits: Limits) -> None:
    assert refusal(body, MULTIPART, limits) == 413
    with pytest.raises(FormError) as caught:
        parse_form(Trickle(body, 7), MULTIPART, None, limits=limits)
    assert caught.value.status == 413


def test_a_body_that_is_announced_as_too_large_is_not_read() -> None:
    class Unread:
        def read(self, size: int, /) -> bytes:
            raise AssertionError("read")

    for content_type in (MULTIPART, URLENCODED):
        with pytest.raises(FormError) as caught:
            parse_form(Unread(), content_type, 101, limits=Limits(body_bytes=100))
        assert caught.value.status == 413


def test_a_urlencoded_body_is_held_to_the_memory() -> None:
    limits = Limits(memory_bytes=3, fields=2)
    assert refusal(b"a=12", URLENCODED, limits) == 413
    assert refusal(b"&&&", URLENCODED, limits) == 413
    assert parsed(b"a=1", URLENCODED, limits).fields == [("a", "1")]


@pytest.mark.parametrize(("content_type", "body"), [(URLENCODED, b"a=1"), (MULTIPART, whole(part("a", b"1")))])
def test_a_body_that_is_cut_is_400_and_what_follows_is_not_read(content_type: str, body: bytes) -> None:
    with pytest.raises(FormError) as caught:
        parse_form(io.BytesIO(body), content_type, len(body) + 1)
    assert caught.value.status == 400
    stream = io.BytesIO(body + b"&b=2")
    assert parse_form(stream, content_type, len(body)).fields == [("a", "1")]
    assert stream.read() == b"&b=2"


def test_a_line_end_before_the_first_boundary_belongs_to_it() -> None:
    assert parsed(b"\r\n" + whole(part("a", b"1"))).fields == [("a", "1")]
    assert parsed(b"--XX--").fields == parsed(b"--XX--\r\nepilogue").fields == []


def test_files_are_closed_when_the_client_goes() -> None:
    class Gone(Trickle):
        def read(self, size: int, /) -> bytes:
            data = super().read(size)
            if not data:
                raise ConnectionResetError("gone")
            return data

    opened: list[io.IOBase] = []

    class Noted(io.BytesIO):
        def __init__(self, size: int) -> None:
            super().__init__()
            opened.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.SpooledTemporaryFile", Noted)
        with pytest.raises(ConnectionResetError):
            parse_form(Gone(part("a", b"1", "x") + part("b", b"1" * 100, "y")[:-50], 10), MULTIPART, 10_000)
    assert len(opened) == 2 and all(one.closed for one in opened)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond a mebibyte: writes fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(1 << 20) + 1, 3 << 20])
def test_a_file_that_there_is_no_room_for_is_507(full_disk: None, size: int) -> None:
    # One byte too many is noticed when the buffer is written, at the end of the file.
    body = whole(part("a", b"1" * 70_000, "x"), part("b", b"1" * size, "y"))
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FormNotKept) as refused:
        parsed(body)
    assert (refused.value.status, type(refused.value.__cause__)) == (507, OSError)
    assert str(refused.value) == "there is no room for the files of the form"
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_the_stream_raises_is_not_taken_for_a_lack_of_room() -> None:
    class Gone(Trickle):
        def read(self, size: int, /) -> bytes:
            raise BrokenPipeError("gone")

    with pytest.raises(BrokenPipeError):
        parse_form(Gone(b"", 1), MULTIPART, 10)


def test_the_library_is_asked_for_by_the_name_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("multipart")
    other.__file__ = "/site-packages/multipart/__init__.py"
    for module in (None, other):
        monkeypatch.setitem(sys.modules, "multipart", module)
        with pytest.raises(ImportError, match=r"dragoman\[middleware\]"):
            parsed(whole(part("a", b"1")))


@given(st.lists(st.tuples(TEXT, TEXT), max_size=10))
def test_what_is_urlencoded_comes_back(pairs: list[tuple[str, str]]) -> None:
    assert parse_urlencoded(urlencode(pairs)) == pairs


@given(
    st.lists(st.tuples(NAMES, TEXT | st.tuples(NAMES, st.binary(max_size=300))), max_size=8),
    st.integers(1, 200),
    st.binary(max_size=10),
)
def test_what_is_sent_in_parts_comes_back_however_it_is_cut(
    sent: list[tuple[str, str | tuple[str, bytes]]], size: int, behind: bytes
) -> None:
    def content_of(value: str | tuple[str, bytes]) -> bytes:
        return value.encode() if isinstance(value, str) else value[1]

    parts = [
        part(name, content_of(value), None if isinstance(value, str) else value[0])
        for name, value in sent
        if b"\r\n--XX" not in b"\r\n" + content_of(value)
    ]
    body = whole(*parts) + behind
    with parse_form(Trickle(body, size), MULTIPART, len(body), limits=Limits(file_memory_bytes=100)) as form:
        kept = [(name, value) for name, value in sent if b"\r\n--XX" not in b"\r\n" + content_of(value)]
        assert form.fields == [(name, value) for name, value in kept if isinstance(value, str)]
        assert [(one.name, (one.file_name, one.file.read())) for one in form.files] == [
            (name, value) for name, value in kept if not isinstance(value, str)
        ]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"a=1&token=abc&b=2&token=other"),
        (URLENCODED, b"&".join([b"a=1"] * 999) + b"&token=abc"),
        (MULTIPART, whole(part("a", b"1"), part("f", b"x" * 200, "y"), part("token", b"abc"), part("token", b"other"))),
    ],
)
def test_a_field_in_the_beginning_of_a_form_is_whole_or_none(content_type: str, body: bytes) -> None:
    found = {field_in_beginning(body[:end], content_type, "token", is_whole=False) for end in range(len(body))}
    assert found <= {None, "abc"}
    assert field_in_beginning(body, content_type, "token", is_whole=True) == "abc"
    assert field_in_beginning(body, content_type, "f", is_whole=True) is None
    for other in (None, "text/plain", "multipart/form-data"):
        assert field_in_beginning(body, other, "token", is_whole=True) is None


@given(st.binary(max_size=200), st.booleans())
def test_no_beginning_raises(beginning: bytes, is_whole: bool) -> None:
    for content_type in (URLENCODED, MULTIPART):
        for start in (b"", part("a", b"1")):
            field_in_beginning(start + beginning, content_type, "a", is_whole=is_whole)


PIECES = st.sampled_from(
    [
        b"--XX",
        b"--XX--",
        b"\r\n",
        b"\n",
        b"\r",
        b"-",
        b"X",
        b"Content-Disposition: form-data",
        b"; name=a",
        b'; name="a"',
        b'; filename="b"',
        b"Content-Length: 1",
        b" ",
        b":",
        b"\xff",
        b"1",
        b"\r\n\r\n",
        part("a", b"1"),
        part("f", b"2", "g"),
    ]
)


@given(st.lists(PIECES).map(b"".join), st.integers(1, 20))
def test_any_body_has_one_reading_however_it_is_cut(body: bytes, size: int) -> None:
    outcomes: list[object] = []
    for stream in (io.BytesIO(body), Trickle(body, size)):
        try:
            with parse_form(stream, MULTIPART, len(body)) as form:
                outcomes.append((form.fields, [(one.name, one.file.read()) for one in form.files]))
        except FormError as error:
            outcomes.append(error.status)
    assert outcomes[0] == outcomes[1]
