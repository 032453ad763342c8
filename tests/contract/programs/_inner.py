"""Applications without fault, for the middleware and the servers of the catalogue to go wrong around."""

import io
import sys


def plain(*fields):
    """A header list of its own for each response."""
    return [("Content-Type", "text/plain"), *fields]


def hello(environ, start_response):
    start_response("200 OK", plain(("Content-Length", "5")))
    return [b"Hello"]


def streaming(environ, start_response):
    start_response("200 OK", plain())
    yield b"one "
    yield b"two "
    yield b"three "
    yield b"four"


def listing(environ, start_response):
    """Several blocks that are there at once."""
    start_response("200 OK", plain())
    return [b"one ", b"two ", b"three ", b"four"]


class Pages:
    """Blocks that can be had again and again, made anew each time."""

    def __iter__(self):
        yield b"one "
        yield b"two "


def pages(environ, start_response):
    start_response("200 OK", plain())
    return Pages()


class Blocks:
    """An iterable that holds something until it is closed, such as a cursor or a file."""

    def __init__(self, *blocks):
        self.blocks = iter(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        self.blocks = iter(())


def closing(environ, start_response):
    start_response("200 OK", plain())
    return Blocks(b"one ", b"two ", b"three ", b"four")


def closing_once(environ, start_response):
    """One block only, so that it can be joined without holding anything back."""
    start_response("200 OK", plain())
    return Blocks(b"Hello")


def file_response(environ, start_response):
    start_response("200 OK", plain())
    return environ["wsgi.file_wrapper"](io.BytesIO(b"a file"), 8192)


def replaces_its_head(environ, start_response):
    """It fails after start_response, before anything was sent, and gives an error page instead."""
    start_response("200 OK", plain())
    try:
        raise ValueError("no such thing")
    except ValueError:
        start_response("500 Internal Server Error", plain(), sys.exc_info())
    return [b"It failed."]


def reads_its_body(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", plain(("Content-Length", str(len(body)))))
    return [body]


def writing(environ, start_response):
    """It pushes its body, as programs of before the iterable do."""
    write = start_response("200 OK", plain())
    write(b"Hello")
    return []
