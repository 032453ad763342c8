"""wsgi.input and wsgi.errors used for more than PEP 3333 promises."""

import contextlib

from tests.contract.programs import Request, broken, broken_middleware
from tests.contract.programs._inner import hello, plain

UPLOAD = Request(method="POST", body=b"first line\nsecond line\n")


@broken("input-closed", UPLOAD)
def closes_the_input(environ, start_response):
    """It was read to its end, and is closed as files are."""
    body = environ["wsgi.input"].read()
    environ["wsgi.input"].close()  # breach
    start_response("200 OK", plain())
    return [body]


@broken_middleware("input-closed", UPLOAD, around=hello)
def refuses_and_closes(app):
    """A size limit that closes what is too large."""

    def limited(environ, start_response):
        if int(environ["CONTENT_LENGTH"]) < 10:
            return app(environ, start_response)
        environ["wsgi.input"].close()  # breach
        start_response("413 Content Too Large", plain())
        return [b"too large"]

    return limited


@broken("input-past-end", UPLOAD)
def waits_for_more(environ, start_response):
    """A loop until it has as much as it wants; at the end of the body it would never end."""
    body = b""
    for _ in range(2000):
        body += environ["wsgi.input"].read(64)  # breach
    start_response("200 OK", plain())
    return [body]


@broken("input-past-end", Request(method="POST"))
def polls_the_client(environ, start_response):
    """It takes the input for a socket, where an empty answer means: not yet."""
    start_response("200 OK", plain())
    while not environ["wsgi.input"].readline():  # breach
        if (waited := environ.get("x.waited", 0)) == 5000:
            return
        environ["x.waited"] = waited + 1
        yield b""


@broken_middleware("input-past-end", UPLOAD, around=hello)
def drains_by_count(app):
    """A middleware that drains the input by calling read as often as it may take."""

    def drained(environ, start_response):
        for _ in range(1500):
            environ["wsgi.input"].read(1024)  # breach
        return app(environ, start_response)

    return drained


@broken("input-read-arguments", UPLOAD)
def size_by_name(environ, start_response):
    """read(size=10): the parameter has another name in every server."""
    try:
        environ["wsgi.input"].read(size=10)  # breach
    except TypeError:
        pass
    start_response("200 OK", plain())
    return [b"Hello"]


@broken("input-read-arguments", UPLOAD)
def size_as_text(environ, start_response):
    """CONTENT_LENGTH is text."""
    try:
        environ["wsgi.input"].read(environ["CONTENT_LENGTH"])  # breach
    except TypeError:
        pass
    start_response("200 OK", plain())
    return [b"Hello"]


@broken("input-read-arguments", UPLOAD)
def two_arguments(environ, start_response):
    """read(fd, size) out of the module os."""
    try:
        environ["wsgi.input"].read(0, 10)  # breach
    except TypeError:
        pass
    start_response("200 OK", plain())
    return [b"Hello"]


@broken_middleware("input-read-arguments", UPLOAD, around=hello)
def line_limit_by_name(app):
    """A log of first lines; asyncio's reader has a limit by name."""

    def logged(environ, start_response):
        with contextlib.suppress(TypeError):
            environ["wsgi.input"].readline(limit=80)  # breach
        return app(environ, start_response)

    return logged


@broken("input-attribute", UPLOAD)
def seeks_back(environ, start_response):
    """It reads twice, and rewinds in between."""
    environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)  # breach
    start_response("200 OK", plain())
    return [b"Hello"]


@broken("input-attribute", UPLOAD)
def asks_for_the_buffer(environ, start_response):
    """getvalue() works with the test client, whose input is a BytesIO."""
    body = environ["wsgi.input"].getvalue()  # breach
    start_response("200 OK", plain())
    return [body]


@broken_middleware("input-attribute", UPLOAD, around=hello)
def rewinds_for_the_application(app):
    """A signature check that reads the body, and puts it back by rewinding."""

    def checked(environ, start_response):
        environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)  # breach
        return app(environ, start_response)

    return checked


@broken("errors-not-text")
def logs_bytes(environ, start_response):
    """Bytes to the log; it went well in Python 2."""
    try:
        environ["wsgi.errors"].write(b"careful\n")  # breach
    except TypeError:
        pass
    start_response("200 OK", plain())
    return [b"Hello"]


@broken("errors-not-text")
def logs_lines_of_bytes(environ, start_response):
    """Lines of a subprocess, as they come."""
    try:
        environ["wsgi.errors"].writelines([b"one\n", b"two\n"])  # breach
    except TypeError:
        pass
    start_response("200 OK", plain())
    return [b"Hello"]


@broken_middleware("errors-not-text", around=hello)
def logs_an_exception(app):
    """An error logger that writes the exception, not its text."""

    def logged(environ, start_response):
        with contextlib.suppress(TypeError):
            environ["wsgi.errors"].write(ValueError("careful"))  # breach
        return app(environ, start_response)

    return logged


@broken("errors-closed")
def closes_its_log(environ, start_response):
    """It has written its line, and is done with the log of all requests."""
    environ["wsgi.errors"].write("careful\n")
    environ["wsgi.errors"].close()  # breach
    start_response("200 OK", plain())
    return [b"Hello"]


@broken_middleware("errors-closed", around=hello)
def closes_the_log_at_the_end(app):
    """A request log that opens and closes, as files are."""

    def logged(environ, start_response):
        try:
            return app(environ, start_response)
        finally:
            environ["wsgi.errors"].close()  # breach

    return logged
