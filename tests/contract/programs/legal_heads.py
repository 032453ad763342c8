"""Legal, if odd: calls of start_response, statuses, header lists and their order."""

import collections
import sys

from tests.contract.programs import Request, hinted, legal
from tests.contract.programs._inner import plain

HEAD = Request(method="HEAD")


class Text(str):
    """A str of a framework's own, such as markupsafe's."""


@legal()
def str_subclasses(environ, start_response):
    """Escaped text and enums of str are str."""
    start_response(Text("200 OK"), [(Text("Content-Type"), Text("text/plain"))])
    return [b"Hello"]


@legal()
def head_in_the_first_next(environ, start_response):
    """A generator function starts when its first block is asked for."""
    start_response("200 OK", plain())
    yield b"Hello"


@legal()
def empty_blocks_before_the_head(environ, start_response):
    """It waits for a result, gives empty blocks meanwhile, and then decides on the status."""
    yield b""
    yield b""
    start_response("200 OK", plain())
    yield b"Hello"


@legal()
def error_page_before_the_head_is_sent(environ, start_response):
    """start_response again, with exc_info, replaces a head that was not sent."""
    start_response("200 OK", plain())
    try:
        raise ValueError("no such thing")
    except ValueError:
        start_response("500 Internal Server Error", plain(), sys.exc_info())
    return [b"It failed."]


@legal()
def error_page_after_an_empty_block(environ, start_response):
    """An empty block sends nothing, so the head can still be replaced."""
    start_response("200 OK", plain())
    yield b""
    try:
        raise ValueError("no such thing")
    except ValueError:
        start_response("500 Internal Server Error", plain(), sys.exc_info())
    yield b"It failed."


@legal()
def exc_info_in_the_first_call(environ, start_response):
    """Whatever it was that failed, it failed before start_response."""
    try:
        raise ValueError("no such thing")
    except ValueError:
        start_response("500 Internal Server Error", plain(), sys.exc_info())
    return [b"It failed."]


@legal()
def exc_info_none(environ, start_response):
    """The third argument, given as its default."""
    start_response("200 OK", plain(), None)
    return [b"Hello"]


@legal()
def fails_before_the_head_is_sent(environ, start_response):
    """An exception of its own: the server answers 500. No beauty, and no breach."""
    start_response("200 OK", plain())
    raise ValueError("no such thing")


@legal()
def late_exception_let_through(environ, start_response):
    """It failed after an empty block; the head was not sent, and the exception leaves."""
    start_response("200 OK", plain())
    yield b""
    raise ValueError("no such thing")


@legal()
def empty_reason(environ, start_response):
    """RFC 9112 allows a reason phrase of nothing."""
    start_response("200 ", plain())
    return [b"Hello"]


@legal()
def status_nobody_knows(environ, start_response):
    """299, 499, 599: any code of three digits."""
    start_response("299 Whatever It Was", plain())
    return [b"Hello"]


@legal()
def reason_in_latin1(environ, start_response):
    """obs-text is allowed in a reason phrase."""
    start_response("404 Nicht gefunden: Größe", plain())
    return [b"Hello"]


@legal()
def tokens_as_names(environ, start_response):
    """A name is a token; it may end in a dash, begin with a digit, or hold a dot."""
    start_response("200 OK", plain(("x_y", "1"), ("X-End-", "1"), ("2fa", "1"), ("X.Y!", "1")))
    return [b"Hello"]


@legal()
def latin1_values(environ, start_response):
    """Each character is one byte; this one is UTF-8 by way of latin-1."""
    name = "лист.txt".encode().decode("latin-1")
    # Some of those bytes are controls of the upper half, which obs-text allows.
    start_response("200 OK", plain(("X-File", name)))
    return [b"Hello"]


@legal()
def tab_and_blank_values(environ, start_response):
    """A tab is allowed in a value, and a value may be empty."""
    start_response("200 OK", plain(("X-Tab", "a\tb"), ("X-Empty", "")))
    return [b"Hello"]


@legal()
def several_cookies(environ, start_response):
    """Set-Cookie is the field that cannot be joined."""
    start_response("200 OK", plain(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("set-cookie", "c=3")))
    return [b"Hello"]


@legal()
def server_and_date(environ, start_response):
    """Its own Server and Date stand."""
    start_response("200 OK", plain(("Server", "mine"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT")))
    return [b"Hello"]


@legal()
def proxy_status(environ, start_response):
    """Proxy-Status is end-to-end, whatever it begins with."""
    start_response("200 OK", plain(("Proxy-Status", "cache; hit"), ("Via", "1.1 cache")))
    return [b"Hello"]


@legal(HEAD)
def length_for_head(environ, start_response):
    """The length that GET would have, and no body."""
    start_response("200 OK", plain(("Content-Length", "50000")))
    return []


@legal(HEAD)
def body_of_get_for_head(environ, start_response):
    """It does not look at the method; the server drops the body."""
    start_response("200 OK", plain(("Content-Length", "5")))
    return [b"Hello"]


@legal()
def empty_list_with_204(environ, start_response):
    """No content, no type, no blocks."""
    start_response("204 No Content", [])
    return []


@legal()
def etag_with_304(environ, start_response):
    """Not modified: no type, no body, but a validator."""
    start_response("304 Not Modified", [("ETag", 'W/"17"')])
    return ()


@legal()
def empty_block_with_304(environ, start_response):
    """A block of nothing is no body."""
    start_response("304 Not Modified", [("ETag", '"17"'), ("Content-Length", "5")])
    return [b""]


@legal()
def redirect_without_type(environ, start_response):
    """No body, so nothing that has a type; a relative target is fine since RFC 7231."""
    start_response("302 Found", [("Location", "/next"), ("Content-Length", "0")])
    return []


@legal()
def no_headers_at_all(environ, start_response):
    """An empty list of headers, an empty body."""
    start_response("200 OK", [])
    return []


@legal()
def list_changed_before_the_call(environ, start_response):
    """One list, built step by step."""
    headers = plain()
    headers.append(("X-One", "1"))
    headers[0] = ("Content-Type", "text/html")
    start_response("200 OK", headers)
    return [b"Hello"]


@legal()
def list_given_again_with_exc_info(environ, start_response):
    """The same list for the error page of the same request."""
    headers = plain()
    start_response("200 OK", headers)
    try:
        raise ValueError("no such thing")
    except ValueError:
        start_response("500 Internal Server Error", headers, sys.exc_info())
    return [b"It failed."]


@legal(Request(path="/first"), Request(path="/second"), makes=True)
def copies_of_a_constant():
    """A constant, of which each response gets a copy."""
    headers = plain()

    def app(environ, start_response):
        start_response("200 OK", list(headers))
        return [b"Hello"]

    return app


@legal()
def items_of_a_named_tuple(environ, start_response):
    """A tuple with names is a tuple."""
    field = collections.namedtuple("Field", "name value")
    start_response("200 OK", [field("Content-Type", "text/plain")])
    return [b"Hello"]


@legal()
def clears_its_list_in_the_end(environ, start_response):
    """When the response is closed, everybody is done with the headers."""
    headers = plain()
    start_response("200 OK", headers)
    try:
        yield b"Hello"
    finally:
        headers.clear()


@hinted("content-type-missing")
def body_without_type(environ, start_response):
    """RFC 9110 says that it should have one; the client has to guess what it got."""
    start_response("200 OK", [("Content-Length", "5")])  # hint
    return [b"Hello"]


@hinted("content-type-missing")
def error_page_without_type(environ, start_response):
    """An error handler in a hurry."""
    start_response("500 Internal Server Error", [])  # hint
    yield b"sorry"
