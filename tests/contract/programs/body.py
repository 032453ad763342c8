"""Responses that go wrong: what is returned, what the blocks are, and how much there is of them."""

import collections
import json

from tests.contract.programs import Request, broken, broken_middleware
from tests.contract.programs._inner import hello, plain, streaming

TWICE = (Request(path="/first"), Request(path="/second"))


@broken("body-not-iterable")
def forgets_to_return(environ, start_response):  # breach
    """The return was forgotten, and None is what is left."""
    start_response("200 OK", plain())


@broken("body-not-iterable")
def returns_a_number(environ, start_response):  # breach
    """A handler of another interface returns the status."""
    start_response("200 OK", plain())
    return 200


@broken("body-not-iterable")
def returns_true(environ, start_response):  # breach
    """A handler that tells that it has handled it."""
    start_response("200 OK", plain())
    return True


@broken("body-not-iterable")
def returns_an_object(environ, start_response):  # breach
    """A response object that nobody has called yet."""
    start_response("200 OK", plain())
    return collections.namedtuple("Route", "")  # the class, which is no iterable


@broken_middleware("body-not-iterable", around=hello)
def calls_and_forgets(app):
    """A logging middleware that calls the application, and returns nothing."""

    def logged(environ, start_response):  # breach
        app(environ, start_response)

    return logged


@broken("body-is-str", also=("body-not-bytes",))
def returns_text(environ, start_response):  # breach
    """The Hello World of Python 2."""
    start_response("200 OK", plain())
    return "Hello"


@broken("body-is-str", also=("body-not-bytes",))
def returns_json_text(environ, start_response):  # breach
    """json.dumps gives text."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return json.dumps({"ok": True})


@broken_middleware("body-is-str", around=hello, also=("body-not-bytes",))
def replaces_by_text(app):
    """A maintenance page out of a text file."""

    def maintained(environ, start_response):  # breach
        if environ["PATH_INFO"] == "/health":
            return app(environ, start_response)
        start_response("503 Service Unavailable", plain())
        return "Back soon."

    return maintained


@broken("body-is-bytes", also=("body-not-bytes",))
def returns_bytes(environ, start_response):  # breach
    """Encoded, but not in a list: iterating it gives numbers."""
    start_response("200 OK", plain())
    return b"Hello"


@broken("body-is-bytes", also=("body-not-bytes",))
def returns_a_whole_file(environ, start_response):  # breach
    """return open(path, "rb").read()."""
    start_response("200 OK", plain())
    with open(__file__, "rb") as file:
        return file.read()


@broken_middleware("body-is-bytes", around=streaming, also=("body-not-bytes", "chunk-pulled-ahead"))
def joins_to_bytes(app):
    """A minifier that joins the body, and forgets the list around it."""

    def minified(environ, start_response):  # breach
        blocks = app(environ, start_response)
        try:
            return b"".join(blocks)
        finally:
            blocks.close()

    return minified


@broken("body-not-bytes")
def list_of_text(environ, start_response):  # breach
    """The list is there, the b is not."""
    start_response("200 OK", plain())
    return ["Hello"]


@broken("body-not-bytes")
def yields_text(environ, start_response):
    """A template engine's stream of text."""
    start_response("200 OK", plain())
    yield b"<p>"
    yield "Hello"  # breach


@broken("body-not-bytes")
def yields_a_bytearray(environ, start_response):
    """A buffer that is filled and sent."""
    start_response("200 OK", plain())
    buffer = bytearray(b"Hello")
    yield buffer  # breach


@broken("body-not-bytes")
def yields_a_memoryview(environ, start_response):
    """Slices without copying; mmap and struct give them."""
    start_response("200 OK", plain())
    yield memoryview(b"Hello")[1:]  # breach


@broken("body-not-bytes")
def yields_none(environ, start_response):
    """An event loop's way to say: nothing yet."""
    start_response("200 OK", plain())
    yield None  # breach
    yield b"Hello"


@broken("body-not-bytes")
def yields_numbers(environ, start_response):
    """A count for each row."""
    start_response("200 OK", plain())
    yield from range(3)  # breach


@broken("body-not-bytes")
def returns_a_dict(environ, start_response):  # breach
    """A dict is an iterable of its keys."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return {"ok": True}


@broken("body-not-bytes")
def list_in_a_list(environ, start_response):  # breach
    """A view that returns a list, in a base class that makes one of it."""
    start_response("200 OK", plain())
    return [[b"Hello"]]


@broken_middleware("body-not-bytes", around=streaming)
def decodes_the_blocks(app):
    """A middleware that works on text, and forgets to encode it again."""

    def shouted(environ, start_response):
        blocks = app(environ, start_response)
        try:
            for block in blocks:
                yield block.decode().upper()  # breach
        finally:
            blocks.close()

    return shouted


@broken("body-too-long")
def length_of_the_text(environ, start_response):  # breach
    """len() of the text, where the bytes count."""
    text = "Größe"
    start_response("200 OK", plain(("Content-Length", str(len(text)))))  # breach
    return [text.encode()]


@broken("body-too-long")
def more_than_one_block(environ, start_response):
    """The length of the first block, and then a second one."""
    start_response("200 OK", plain(("Content-Length", "5")))  # breach
    yield b"Hello"
    yield b", world"  # breach


@broken("body-too-long")
def length_zero_with_a_body(environ, start_response):  # breach
    """Headers of a redirect, body of a page."""
    start_response("200 OK", plain(("Content-Length", "0")))  # breach
    return [b"Hello"]


@broken_middleware("body-too-long", around=hello)
def adds_a_footer(app):
    """A middleware that adds to the page and leaves Content-Length as it was."""

    def footed(environ, start_response):
        yield from app(environ, start_response)
        yield b"<hr>"  # breach

    return footed


@broken("body-too-short")
def length_of_the_uncompressed(environ, start_response):  # breach
    """Content-Length of the file, body of the cached and compressed one."""
    start_response("200 OK", plain(("Content-Length", "5000")))  # breach
    return [b"Hello"]


@broken("body-too-short")
def stops_before_its_length(environ, start_response):  # breach
    """The file has become shorter since it was measured."""
    start_response("200 OK", plain(("Content-Length", "10")))  # breach
    yield b"Hello"  # breach


@broken("body-too-short")
def empty_with_a_length(environ, start_response):  # breach
    """Answers GET as if it were HEAD."""
    start_response("200 OK", plain(("Content-Length", "5")))  # breach
    return []


@broken_middleware("body-too-short", around=hello)
def strips_the_body(app):
    """A minifier that leaves Content-Length as it was."""

    def stripped(environ, start_response):  # breach
        return [block.strip(b"o") for block in app(environ, start_response)]

    return stripped


@broken("body-on-no-content")
def text_with_204(environ, start_response):  # breach
    """An API that says OK with No Content."""
    start_response("204 No Content", [])  # breach
    return [b"OK"]


@broken("body-on-no-content")
def page_with_304(environ, start_response):
    """The page again, although the client has it."""
    start_response("304 Not Modified", [("ETag", '"17"')])  # breach
    yield b"<html>"  # breach


@broken("length-wrong")
def len_counts_bytes(environ, start_response):  # breach
    """len() of a body object tells the bytes."""

    class Body:
        def __iter__(self):  # breach
            yield b"Hello"

        def __len__(self):  # breach
            return 5

    start_response("200 OK", plain())
    return Body()


@broken("length-wrong")
def len_of_one_with_more(environ, start_response):  # breach
    """len() of one makes a server believe that the first block is all."""

    class Body:
        def __iter__(self):  # breach
            yield b"Hello"
            yield b", world"  # breach

        def __len__(self):  # breach
            return 1

    start_response("200 OK", plain())
    return Body()


@broken("headers-list-reused", *TWICE, makes=True)
def one_list_for_all():
    """A constant list, which every layer may add to."""
    headers = plain()

    def app(environ, start_response):
        start_response("200 OK", headers)  # breach
        return [b"Hello"]

    return app


@broken("headers-list-reused", *TWICE)
class HeadersOfTheClass:
    """Headers in a class attribute, shared by all responses."""

    headers = plain()

    def __call__(self, environ, start_response):
        start_response("200 OK", self.headers)  # breach
        yield b"Hello"


@broken("app-is-coroutine")
async def async_def(environ, start_response):  # breach
    """async def, under a server that does not await."""
    start_response("200 OK", plain())
    return [b"Hello"]


@broken("app-is-coroutine")
def calls_async_def(environ, start_response):  # breach
    """A view that hands on to an async one."""

    async def view():
        return [b"Hello"]

    start_response("200 OK", plain())
    return view()


@broken("exception-after-start")
def fails_in_mid_stream(environ, start_response):
    """The database goes away after the first row."""
    start_response("200 OK", plain())
    yield b"row 1"
    raise OSError("database gone")  # breach


@broken("exception-after-start")
def fails_after_write(environ, start_response):
    """It has written, and then fails in the function itself."""
    start_response("200 OK", plain())(b"row 1")
    raise OSError("database gone")  # breach


@broken_middleware("exception-after-start", around=streaming)
def translator_fails(app):
    """A filter that meets a block that it cannot work on."""

    def translated(environ, start_response):
        blocks = app(environ, start_response)
        try:
            for block in blocks:
                if block == b"three ":
                    raise UnicodeError("in the filter")  # breach
                yield block
        finally:
            blocks.close()

    return translated
