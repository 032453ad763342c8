"""Legal, if odd: what is done with wsgi.input and wsgi.errors by programs that know how to do without more."""

import codecs
import contextlib
import io
import itertools
import json

from tests.contract.programs import Request, legal, legal_middleware
from tests.contract.programs._inner import plain, reads_its_body

UPLOAD = Request(method="POST", body=b'{"name": "ada"}')


@legal(UPLOAD)
def rewinds_or_does_without(environ, start_response):
    """It tries, and is ready for a server whose input cannot."""
    body = environ["wsgi.input"].read()
    try:
        environ["wsgi.input"].seek(0)
    except (AttributeError, OSError):
        pass
    start_response("200 OK", plain())
    return [body]


@legal(UPLOAD)
def tries_and_takes_whatever_comes(environ, start_response):
    """The same with a bare except, as old code has it."""
    try:
        size = environ["wsgi.input"].tell()
    except:  # noqa: E722 - old code has it
        size = 0
    start_response("200 OK", plain())
    return [b"%d" % size]


@legal(UPLOAD)
def suppresses_what_is_missing(environ, start_response):
    """The same with contextlib."""
    with contextlib.suppress(AttributeError):
        environ["wsgi.input"].peek(1)
    start_response("200 OK", plain())
    return [b"Hello"]


@legal(UPLOAD)
def asks_a_helper_that_may_fail(environ, start_response):
    """The function that rewinds leaves it to its callers what happens where that is not possible."""

    def rewound(stream):
        stream.seek(0)
        return stream

    try:
        stream = rewound(environ["wsgi.input"])
    except Exception:
        stream = environ["wsgi.input"]
    body = stream.read()
    start_response("200 OK", plain())
    return [body]


@legal(UPLOAD)
def takes_the_method_out_first(environ, start_response):
    """getattr with a default, and one name after the other."""
    stream = environ["wsgi.input"]
    readinto = getattr(stream, "readinto1", getattr(stream, "readinto", None))
    start_response("200 OK", plain())
    return [b"yes" if readinto else b"no"]


@legal(UPLOAD)
def reads_text(environ, start_response):
    """TextIOWrapper asks for what it needs by itself, and closes what it is around when it is collected."""
    if not hasattr(environ["wsgi.input"], "readable"):
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read())
    name = json.load(io.TextIOWrapper(environ["wsgi.input"], encoding="utf-8"))["name"]
    start_response("200 OK", plain())
    return [name.encode()]


@legal(UPLOAD)
def reads_text_and_gives_it_back(environ, start_response):
    """The same with care: what is around the input lets go of it."""
    stream = environ["wsgi.input"]
    if not hasattr(stream, "readable"):
        stream = io.BytesIO(stream.read())
    text = io.TextIOWrapper(stream, encoding="utf-8")
    name = json.load(text)["name"]
    text.detach()
    start_response("200 OK", plain())
    return [name.encode()]


@legal(UPLOAD)
def reads_ahead_in_a_buffer(environ, start_response):
    """BufferedReader around the input, for peek() and readinto()."""
    stream = environ["wsgi.input"]
    if not hasattr(stream, "readable"):
        stream = io.BytesIO(stream.read())
    buffered = io.BufferedReader(stream)
    first = buffered.peek(1)[:1]
    start_response("200 OK", plain())
    return [first, buffered.read()]


@legal(UPLOAD)
def decodes_by_a_codec(environ, start_response):
    """A reader of the module codecs needs read() alone."""
    text = codecs.getreader("utf-8")(environ["wsgi.input"]).read()
    start_response("200 OK", plain())
    return [text.encode()]


@legal(UPLOAD)
def a_size_of_another_type(environ, start_response):
    """What has __index__ is a whole number: those of numpy, ctypes and the like."""

    class Size:
        def __index__(self):
            return 4

    body = environ["wsgi.input"]
    blocks = [body.read(Size()), body.read(None), body.read(True)]
    start_response("200 OK", plain())
    return blocks


@legal(Request(method="POST", body=b"a: b\r\n\r\n"))
def looks_for_lines_that_are_not_there(environ, start_response):
    """A parser of at most thirty lines: at the end of the body each of them is empty."""
    lines = [environ["wsgi.input"].readline() for _ in range(30)]
    start_response("200 OK", plain())
    return [b"".join(itertools.takewhile(bytes.strip, lines))]


@legal_middleware(UPLOAD, around=reads_its_body)
def hands_in_a_buffer_of_its_own(app):
    """A BytesIO is a whole file: whoever put it there may do with it what files can."""

    def recorded(environ, start_response):
        own = io.BytesIO(environ["wsgi.input"].read())
        environ["wsgi.input"] = own
        try:
            return app(environ, start_response)
        finally:
            environ["wsgi.input"].seek(0)
            environ["x.recorded"] = own.getvalue()

    return recorded


@legal_middleware(UPLOAD, around=reads_its_body)
def counts_what_is_read(app):
    """An input of its own that passes on what it does not know."""

    class Counting:
        def __init__(self, stream):
            self.stream, self.count = stream, 0

        def read(self, *size):
            data = self.stream.read(*size)
            self.count += len(data)
            return data

        def __getattr__(self, name):
            return getattr(self.stream, name)

    def counted(environ, start_response):
        environ["wsgi.input"] = Counting(environ["wsgi.input"])
        return app(environ, start_response)

    return counted


@legal()
def redirects_its_own_errors(environ, start_response):
    """What is printed meanwhile lands in the server's log."""
    with contextlib.redirect_stderr(environ["wsgi.errors"]):
        print("careful", file=environ["wsgi.errors"], flush=True)
    start_response("200 OK", plain())
    return [b"Hello"]
