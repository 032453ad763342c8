"""Legal, if odd: middleware that answers with something else than what it was given, or uses it in its own way."""

import io
import sys

from tests.contract.programs import Request, legal, legal_middleware
from tests.contract.programs._inner import Blocks, hello, listing, plain, streaming

UPLOAD = Request(method="POST", body=b"first line\nsecond line\n")


def ignored(status, headers, exc_info=None):
    return lambda data: None


def closed(blocks):
    getattr(blocks, "close", int)()


def in_one_piece(status, fields, *blocks):
    """An application of several blocks, which come one after the other."""

    def app(environ, start_response):
        start_response(status, plain(*fields))
        return Blocks(*blocks)

    return app


def fails_first(environ, start_response):
    """503, until it is asked again."""
    if "x.try" not in environ:
        start_response("503 Service Unavailable", plain())
        return Blocks(b"not ", b"now")
    start_response("200 OK", plain(("X-Try", "2")))
    return Blocks(b"Hello")


@legal_middleware(around=fails_first)
def tries_again(app):
    """It reads the failed answer to its end, so that the connection behind it is free, and asks again."""

    def retried(environ, start_response):
        heads = []
        first = app(dict(environ), lambda *head: heads.append(head) or (lambda data: None))
        list(first)
        closed(first)
        if heads[0][0].startswith("503"):
            return app({**environ, "x.try": 2}, start_response)
        start_response(*heads[0])
        return []

    return retried


@legal_middleware(around=streaming)
def composes_a_page(app):
    """A page of two fragments: each of them comes as a whole, or not at all."""

    def composed(environ, start_response):
        parts = []
        for path in ("/head", "/foot"):
            blocks = app({**environ, "PATH_INFO": path}, ignored)
            parts.append(b"".join(blocks))
            closed(blocks)
        start_response("200 OK", plain())
        return [b"<hr>".join(parts)]

    return composed


@legal_middleware(Request(method="HEAD"), around=streaming)
def drains_for_head(app):
    """It asks with GET to know the length, and gives none of the blocks."""

    def headed(environ, start_response):
        heads = []
        blocks = app({**environ, "REQUEST_METHOD": "GET"}, lambda *head: heads.append(head) or (lambda data: None))
        size = sum(map(len, blocks))
        closed(blocks)
        status, headers = heads[0]
        start_response(status, [*headers, ("Content-Length", str(size))])
        return []

    return headed


@legal_middleware(around=streaming)
def answers_not_modified(app):
    """It hashes the body, and the client has it already."""

    def conditional(environ, start_response):
        blocks = app(environ, ignored)
        tag = hash(b"".join(blocks))
        closed(blocks)
        start_response("304 Not Modified", [("ETag", f'"{tag}"')])
        return []

    return conditional


@legal_middleware(around=in_one_piece("401 Unauthorized", (), b"who ", b"are you"))
def sends_to_the_login(app):
    """401 becomes a redirect without a body."""

    def redirected(environ, start_response):
        heads = []
        blocks = app(environ, lambda *head: heads.append(head) or (lambda data: None))
        body = b"".join(blocks)
        closed(blocks)
        if heads[0][0].startswith("401"):
            start_response("302 Found", [("Location", "/login")])
            return []
        start_response(*heads[0])
        return [body]

    return redirected


@legal_middleware(around=streaming)
def answers_nothing_instead(app):
    """A maintenance switch: 200, and an empty page of its own."""

    def emptied(environ, start_response):
        blocks = app(environ, ignored)
        for _ in blocks:
            pass
        closed(blocks)
        start_response("200 OK", plain(("X-Maintenance", "1")))
        return []

    return emptied


@legal_middleware(around=streaming)
def answers_with_a_page_of_its_own(app):
    """It reads the page for what it needs of it, and answers with another one."""

    def counted(environ, start_response):
        blocks = app(environ, ignored)
        size = sum(map(len, blocks))
        closed(blocks)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"size": %d}' % size]

    return counted


def found_or_not(environ, start_response):
    if environ["PATH_INFO"] == "/errors/404":
        start_response("200 OK", plain())
        return [b"It is not there."]
    start_response("404 Not Found", plain())
    return [b"not found"]


@legal_middleware(Request(path="/shop/cart"), around=found_or_not)
def error_document(app):
    """A page of the application itself stands for its errors."""

    def documented(environ, start_response):
        heads = []
        blocks = app(environ, lambda *head: heads.append(head) or (lambda data: None))
        closed(blocks)
        return app({**environ, "PATH_INFO": "/errors/404"}, lambda status, headers: start_response(*heads[0]))

    return documented


@legal_middleware(Request(path="/shop//cart"), Request(path="//cart"), Request(path="/./cart"), around=hello)
def puts_the_path_in_order(app):
    """Slashes and dots that mean nothing are taken out."""

    def ordered(environ, start_response):
        path = environ["PATH_INFO"].replace("/./", "/").replace("//", "/")
        return app({**environ, "PATH_INFO": path}, start_response)

    return ordered


@legal_middleware(Request(path="/"), Request(path="/old/cart"), around=hello)
def rewrites_the_path(app):
    """Another page than was asked for."""
    pages = {"/": "/index.html", "/old/cart": "/new/cart"}

    def rewritten(environ, start_response):
        return app({**environ, "PATH_INFO": pages[environ["PATH_INFO"]]}, start_response)

    return rewritten


@legal_middleware(Request(path="/page/part"), around=hello)
def includes_another_page(app):
    """Server-side includes: a request of its own for a part of the page."""

    def included(environ, start_response):
        page = app(dict(environ), ignored)
        part = app({**environ, "PATH_INFO": "/part"}, ignored)
        start_response("200 OK", plain())
        return [*page, *part]

    return included


@legal_middleware(around=listing)
def adds_to_the_list(app):
    """It has seen that the result is a list, and uses it as one."""

    def footed(environ, start_response):
        blocks = app(environ, start_response)
        if isinstance(blocks, list) and type(blocks) is list:
            blocks[0] = blocks[0].upper()
            blocks.append(b"foot")
            return blocks + [b"!"]  # noqa: RUF005 - this way to add them is what is tried
        return [b"no list"]

    return footed


@legal_middleware(around=listing)
def iterates_over_a_list_twice(app):
    """A list can be iterated as often as one likes: once for the length, and once by the server."""

    def measured(environ, start_response):
        heads = []
        blocks = app(environ, lambda *head: heads.append(head) or (lambda data: None))
        status, headers = heads[0]
        if isinstance(blocks, (list, tuple)):
            headers.append(("Content-Length", str(sum(map(len, blocks)))))
        start_response(status, headers)
        return blocks

    return measured


@legal_middleware(UPLOAD, around=streaming)
def drains_the_input_at_last(app):
    """It takes the stream where it can see it, and reads what the application has left, when that is done."""

    def drained(environ, start_response):
        streams = []

        def start(status, headers, exc_info=None):
            streams.append(environ["wsgi.input"])
            return start_response(status, headers)

        blocks = app(environ, start)
        try:
            yield from blocks
        finally:
            blocks.close()
            while streams[0].read(4096):
                pass

    return drained


@legal()
def tries_an_error_page_in_mid_stream(environ, start_response):
    """The example of PEP 3333: start_response raises the exception again, if it is too late for a page."""
    start_response("200 OK", plain())
    yield b"row 1"
    try:
        raise OSError("database gone")
    except OSError:
        start_response("500 Internal Server Error", plain(), sys.exc_info())
        yield b"sorry"


@legal_middleware(around=streaming)
def error_page_around_what_has_begun(app):
    """An error middleware cannot know whether blocks were sent: start_response does."""

    def covered(environ, start_response):
        blocks = app(environ, start_response)
        try:
            yield next(blocks)
            raise RuntimeError("in the middleware")
        except RuntimeError:
            start_response("500 Internal Server Error", plain(), sys.exc_info())
        finally:
            blocks.close()

    return covered


@legal_middleware(UPLOAD, around=hello)
def logs_into_a_stream_of_its_own(app):
    """wsgi.errors is replaced, and used when the request is over: it is the middleware's."""
    kept = []

    def logged(environ, start_response):
        for log in kept:
            log.write("again\n")
        kept[:] = [io.StringIO()]
        return app({**environ, "wsgi.errors": kept[0]}, start_response)

    return logged
