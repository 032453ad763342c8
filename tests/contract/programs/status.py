"""Calls of start_response that go wrong: how it is called, how often, and the status."""

import http

from tests.contract.programs import Request, broken, broken_middleware
from tests.contract.programs._inner import hello, plain, streaming

LATE = Request(path="/late")


@broken("start-response-missing")
def forgets_the_head(environ, start_response):  # breach
    """The first program of everybody who learns WSGI."""
    return [b"Hello"]


@broken("start-response-missing")
def empty_answer_without_head(environ, start_response):  # breach
    """A health check that thinks an empty list is a 200."""
    return []


@broken("start-response-missing")
def block_before_the_head(environ, start_response):
    """A template that streams before the view has decided on the status."""
    yield b"<html>"  # breach
    start_response("200 OK", plain())
    yield b"</html>"


@broken("start-response-missing")
def head_only_when_found(environ, start_response):  # breach
    """One branch of the view starts the response, the other was forgotten."""
    if environ["PATH_INFO"] == "/found":
        start_response("200 OK", plain())
    return (b"not found",)


@broken_middleware("start-response-missing", around=hello)
def denies_without_head(app):
    """An access check that answers by itself and forgets the head."""

    def denied(environ, start_response):  # breach
        if "HTTP_AUTHORIZATION" not in environ:
            return [b"Go away."]
        return app(environ, start_response)

    return denied


@broken_middleware("start-response-missing", around=hello)
def keeps_the_head_to_itself(app):
    """A recorder of heads that never hands them on."""

    def recorded(environ, start_response):  # breach
        seen = []

        def record(status, headers, exc_info=None):
            seen.append((status, headers))
            return lambda data: None

        return app(environ, record)

    return recorded


@broken("start-response-twice")
def second_head(environ, start_response):
    """A default head, and then the one that was meant."""
    start_response("200 OK", plain())
    start_response("404 Not Found", plain())  # breach
    return [b"not found"]


@broken("start-response-twice")
def second_head_while_streaming(environ, start_response):
    """A stream that wants to turn into an error page."""
    start_response("200 OK", plain())
    yield b"so far so good"
    start_response("500 Internal Server Error", plain())  # breach
    yield b"sorry"


@broken("start-response-twice")
def error_page_without_exc_info(environ, start_response):
    """An error handler that does not hand on sys.exc_info()."""
    start_response("200 OK", plain())
    try:
        raise KeyError("user")
    except KeyError:
        start_response("500 Internal Server Error", plain())  # breach
    return [b"sorry"]


@broken_middleware("start-response-twice", around=hello)
def starts_beside_the_application(app):
    """A middleware that answers and calls the application as well."""

    def both(environ, start_response):
        start_response("200 OK", plain())
        body = app(environ, lambda status, headers, exc_info=None: lambda data: None)
        start_response("200 OK", plain(("Content-Length", "5")))  # breach
        return body

    return both


@broken("start-response-late", also=("exception-after-start",))
def error_page_after_the_first_block(environ, start_response):
    """It looks at the end whether something went wrong: no exception is being handled any more, and none goes on."""
    import sys

    start_response("200 OK", plain())
    failure = None
    yield b"row 1"
    try:
        raise OSError("database gone")
    except OSError:
        failure = sys.exc_info()
    start_response("500 Internal Server Error", plain(), failure)  # breach


@broken("start-response-late", also=("exception-after-start",))
def error_page_after_write(environ, start_response):
    """What write() was given is sent at once, and the head with it."""
    import sys

    start_response("200 OK", plain())(b"row 1")
    try:
        raise OSError("database gone")
    except OSError:
        failure = sys.exc_info()
    start_response("500 Internal Server Error", plain(), failure)  # breach
    return [b"sorry"]


@broken_middleware("start-response-late", around=streaming, also=("exception-after-start",))
def error_page_around_a_stream(app):
    """An error middleware that cleans up first, and knows the exception only from its notes."""
    import sys

    def covered(environ, start_response):
        blocks = app(environ, start_response)
        try:
            yield next(blocks)
            raise RuntimeError("in the middleware")
        except RuntimeError:
            failure = sys.exc_info()
        blocks.close()
        start_response("500 Internal Server Error", plain(), failure)  # breach

    return covered


@broken("start-response-arguments")
def no_headers(environ, start_response):
    """Thinks that headers are optional."""
    start_response("200 OK")  # breach
    return [b"Hello"]


@broken("start-response-arguments")
def keywords(environ, start_response):
    """Names the arguments; PEP 3333 gives them no names, only places."""
    start_response(status="200 OK", headers=plain())  # breach
    return [b"Hello"]


@broken("start-response-arguments")
def four_arguments(environ, start_response):
    """Hands over the body at the same time."""
    start_response("200 OK", plain(), None, [b"Hello"])  # breach
    return [b"Hello"]


@broken_middleware("start-response-arguments", around=hello)
def hands_on_with_a_keyword(app):
    """A middleware that hands exc_info on by name."""

    def named(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, headers, exc_info=exc_info)  # breach

        return app(environ, start)

    return named


@broken("status-not-str")
def status_is_bytes(environ, start_response):
    """Came over from Python 2, with a b before every string."""
    start_response(b"200 OK", plain())  # breach
    return [b"Hello"]


@broken("status-not-str")
def status_is_int(environ, start_response):
    """Every framework above WSGI takes a number."""
    start_response(200, plain())  # breach
    return [b"Hello"]


@broken("status-not-str")
def status_is_an_enum(environ, start_response):
    """http.HTTPStatus is an int with a phrase, and no str."""
    start_response(http.HTTPStatus.OK, plain())  # breach
    return [b"Hello"]


@broken("status-not-str")
def status_is_a_pair(environ, start_response):
    """The pair of a framework, not yet joined."""
    start_response((404, "Not Found"), plain())  # breach
    return [b"Hello"]


@broken_middleware("status-not-str", around=hello)
def status_counted_and_passed_as_int(app):
    """A statistics middleware that hands on what it counted by."""

    def counted(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(int(status[:3]), headers)  # breach

        return app(environ, start)

    return counted


@broken("status-malformed")
def code_alone(environ, start_response):
    """str(200) is not a status yet."""
    start_response("200", plain())  # breach
    return [b"Hello"]


@broken("status-malformed")
def phrase_alone(environ, start_response):
    """A status of words."""
    start_response("OK", plain())  # breach
    return [b"Hello"]


@broken("status-malformed")
def status_line(environ, start_response):
    """The whole status line, as CGI programs with non-parsed headers print it."""
    start_response("HTTP/1.1 200 OK", plain())  # breach
    return [b"Hello"]


@broken("status-malformed")
def line_end_in_status(environ, start_response):
    """A phrase out of an exception's text, which has two lines."""
    start_response("500 Error: bad\r\nSet-Cookie: a=b", plain())  # breach
    return [b"Hello"]


@broken("status-malformed")
def code_of_two_digits(environ, start_response):
    """An error number of its own."""
    start_response("42 Answer", plain())  # breach
    return [b"Hello"]


@broken("status-malformed")
def repr_of_an_enum(environ, start_response):
    """f"{status!s}" of http.HTTPStatus in some Pythons."""
    start_response("HTTPStatus.OK", plain())  # breach
    return [b"Hello"]


@broken("status-malformed")
def code_of_four_digits(environ, start_response):
    """A close code of WebSocket, given as HTTP's."""
    start_response("1011 Internal Error", plain())  # breach
    return [b"Hello"]


@broken("status-informational")
def continue_as_answer(environ, start_response):
    """Answers an Expect header by itself."""
    start_response("100 Continue", [])  # breach
    return []


@broken("status-informational")
def early_hints_as_answer(environ, start_response):
    """Sends 103 where the response should be."""
    start_response("103 Early Hints", [("Link", "</style.css>; rel=preload")])  # breach
    return []


@broken("status-informational")
def upgrades_by_itself(environ, start_response):
    """A WebSocket handshake through start_response."""
    start_response("101 Switching Protocols", [("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")])  # breach
    return []
