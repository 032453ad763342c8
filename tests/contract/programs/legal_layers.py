"""Legal, if odd: middleware of every kind."""

import io
import itertools
import sys
import wsgiref.util
import zlib

from tests.contract.programs import Request, hinted_middleware, legal_middleware
from tests.contract.programs._inner import (
    Blocks,
    closing,
    closing_once,
    file_response,
    hello,
    plain,
    reads_its_body,
    replaces_its_head,
    streaming,
    writing,
)


class Wrapped:
    """Blocks that something is done to, with the close() of those they come from."""

    def __init__(self, blocks, change):
        self.blocks = blocks
        self.iterator = iter(blocks)
        self.change = change

    def __iter__(self):
        return self

    def __next__(self):
        return self.change(next(self.iterator))

    def close(self):
        getattr(self.blocks, "close", int)()


@legal_middleware(around=hello)
def changes_the_list_on_its_way(app):
    """The list of the application, changed in start_response before it is passed on."""

    def with_field(environ, start_response):
        def start(status, headers, exc_info=None):
            headers.append(("X-Added", "1"))
            headers[:] = [item for item in headers if item[0] != "Server"]
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return with_field


@legal_middleware(around=replaces_its_head)
def hands_on_exc_info(app):
    """All that comes, as it comes."""

    def relayed(environ, start_response):
        def start(*args):
            return start_response(*args)

        return app(environ, start)

    return relayed


@legal_middleware(around=streaming)
def starts_when_the_first_block_is_there(app):
    """It keeps the head until it has seen the first block, and adds to it then."""

    def delayed(environ, start_response):
        heads = []

        def start(status, headers, exc_info=None):
            heads[:] = [(status, list(headers))]
            return lambda data: None

        blocks = app(environ, start)
        try:
            for block in blocks:
                if heads:
                    status, headers = heads.pop()
                    start_response(status, [*headers, ("X-First", str(len(block)))])
                yield block
        finally:
            blocks.close()

    return delayed


@legal_middleware(around=streaming)
def peeks_at_the_first_block(app):
    """It takes one block early, so that the head is known, and gives it first."""

    def peeked(environ, start_response):
        blocks = app(environ, start_response)
        iterator = iter(blocks)
        first = list(itertools.islice(iterator, 1))
        body = Wrapped(itertools.chain(first, iterator), bytes)
        body.blocks = blocks
        return body

    return peeked


@legal_middleware(around=closing)
def upper_case_with_close(app):
    """A block for a block, and close() passed on."""
    return lambda environ, start_response: Wrapped(app(environ, start_response), bytes.upper)


@legal_middleware(around=streaming)
def compresses_with_empty_blocks(app):
    """A compressor that has nothing to give yet gives b""."""

    def compressed(environ, start_response):
        blocks = app(environ, start_response)
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        try:
            for block in blocks:
                yield packer.compress(block)
            yield packer.flush()
        finally:
            blocks.close()

    return compressed


@legal_middleware(around=streaming)
def splits_the_blocks(app):
    """More blocks than the application gave."""

    def split(environ, start_response):
        blocks = app(environ, start_response)
        try:
            for block in blocks:
                yield block[:1]
                yield block[1:]
        finally:
            blocks.close()

    return split


@legal_middleware(around=closing_once)
def joins_one_block_and_closes(app):
    """A body that comes as one block is held back by nobody."""

    def joined(environ, start_response):
        blocks = app(environ, start_response)
        try:
            return [b"".join(blocks)]
        finally:
            blocks.close()

    return joined


@legal_middleware(around=closing)
def replaces_the_response_and_closes(app):
    """An error page instead; the response that it replaces is closed unread."""

    def replaced(environ, start_response):
        blocks = app(environ, lambda status, headers, exc_info=None: lambda data: None)
        blocks.close()
        start_response("502 Bad Gateway", plain())
        return [b"sorry"]

    return replaced


@legal_middleware(around=hello)
def joins_a_list(app):
    """A list has no close() that could be forgotten."""

    def joined(environ, start_response):
        blocks = app(environ, start_response)
        body = b"".join(blocks)
        if hasattr(blocks, "close"):
            blocks.close()
        return [body]

    return joined


@legal_middleware(around=hello)
def iterates_over_a_list_of_its_own(app):
    """It knows the application that it is around: it returns a list, which has no close()."""

    def upper(environ, start_response):
        return [block.upper() for block in app(environ, start_response)]

    return upper


@legal_middleware(around=streaming)
def asks_an_iterator_again(app):
    """An iterator that has told its end may be asked again: it tells it again."""

    def sliced(environ, start_response):
        blocks = app(environ, start_response)
        try:
            while one := list(itertools.islice(blocks, 1)):
                yield one[0]
        finally:
            blocks.close()

    return sliced


@legal_middleware(around=hello)
def answers_by_itself(app):
    """The application is not called at all."""

    def cached(environ, start_response):
        start_response("200 OK", plain())
        return [b"from the cache"]

    return cached


@legal_middleware(around=hello)
def calls_twice(app):
    """A retry: another call with an environ of its own, the first response closed."""

    def retried(environ, start_response):
        first = app(dict(environ), lambda status, headers, exc_info=None: lambda data: None)
        getattr(first, "close", int)()
        return app(environ, start_response)

    return retried


@legal_middleware(around=writing)
def write_of_its_own(app):
    """A start_response of its own, whose write() changes what is written."""

    def shouted(environ, start_response):
        def start(status, headers, exc_info=None):
            write = start_response(status, headers, exc_info)
            return lambda data: write(data.upper())

        return app(environ, start)

    return shouted


@legal_middleware(around=streaming)
def error_page_for_what_has_not_begun(app):
    """An error middleware: an exception before the first block becomes a page, a later one leaves."""

    def covered(environ, start_response):
        try:
            blocks = app(environ, start_response)
            raise ValueError("in the middleware")
        except ValueError:
            blocks.close()
            start_response("500 Internal Server Error", plain(), sys.exc_info())
            return [b"It failed."]

    return covered


@legal_middleware(Request(path="/shop/cart", script_name="/eu"), around=hello)
def shifts_the_path(app):
    """A dispatcher: what leaves PATH_INFO is added to SCRIPT_NAME."""

    def dispatched(environ, start_response):
        wsgiref.util.shift_path_info(environ)
        return app(environ, start_response)

    return dispatched


@legal_middleware(Request(path="/shop"), around=hello)
def shifts_the_whole_path(app):
    """A mounted application at its root: PATH_INFO is ''."""

    def dispatched(environ, start_response):
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/shop", ""
        return app(environ, start_response)

    return dispatched


@legal_middleware(Request(path="/cart"), around=hello)
def puts_a_prefix_back(app):
    """A proxy has taken the prefix away; the application has to know it for its links."""

    def prefixed(environ, start_response):
        environ["SCRIPT_NAME"] = "/shop" + environ["SCRIPT_NAME"]
        environ["wsgi.url_scheme"] = "https"
        environ["REMOTE_ADDR"] = "198.51.100.4"
        return app(environ, start_response)

    return prefixed


@legal_middleware(around=hello)
def copies_the_environ(app):
    """A dict of its own for the inside, with objects in it."""

    def copied(environ, start_response):
        return app({**environ, "x.user": object(), "user": None}, start_response)

    return copied


@legal_middleware(Request(method="POST", body=b"Hello"), around=reads_its_body)
def replaces_the_input(app):
    """It has read the body, and gives a BytesIO of it."""

    def replayed(environ, start_response):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        return app(environ, start_response)

    return replayed


@legal_middleware(Request(method="POST", body=b"Hello"), around=reads_its_body)
def rewinds_its_own_input(app):
    """The BytesIO is its own: it may seek in it, and read it again, as WebOb does to call an application twice."""

    def repeated(environ, start_response):
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read())
        first = app(environ, lambda status, headers, exc_info=None: lambda data: None)
        getattr(first, "close", int)()
        environ["wsgi.input"].seek(0)
        environ["x.body"] = environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)
        return app(environ, start_response)

    return repeated


def rewinds_what_it_may(environ, start_response):
    """WebOb's way: a key says that the body can be read again."""
    if environ.get("shop.body_is_seekable"):
        environ["wsgi.input"].seek(0)
    return reads_its_body(environ, start_response)


@legal_middleware(Request(method="POST", body=b"Hello"), around=rewinds_what_it_may)
def says_that_the_body_can_be_read_again(app):
    """It has read the body, and leaves one in memory, with a key that says so for whom it calls."""

    def read(environ, start_response):
        size = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(size))
        environ["wsgi.input"].read()
        environ["shop.body_is_seekable"] = True
        return app(environ, start_response)

    return read


@legal_middleware(Request(method="POST", body=zlib.compress(b"Hello, world")), around=reads_its_body)
def decompresses_the_input(app):
    """The input and CONTENT_LENGTH of what it has unpacked."""

    def unpacked(environ, start_response):
        body = zlib.decompress(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        environ.pop("HTTP_CONTENT_ENCODING", None)
        return app(environ, start_response)

    return unpacked


@legal_middleware(around=file_response)
def passes_a_file_on(app):
    """The file wrapper's object, untouched."""

    def passed(environ, start_response):
        return app(environ, start_response)

    return passed


@legal_middleware(Request(method="HEAD"), around=streaming)
def drops_the_body_of_head(app):
    """It asks the application with GET, and gives no block."""

    def headed(environ, start_response):
        environ["REQUEST_METHOD"] = "GET"
        blocks = app(environ, start_response)
        next(blocks)
        blocks.close()
        return []

    return headed


@legal_middleware(Request(blocks=0), Request(blocks=1), around=closing)
def object_that_closes_at_any_time(app):
    """What a generator cannot do: close() reaches the inside, whether it was started or not."""

    class Body(Blocks):
        def __init__(self, blocks):
            super().__init__(*())
            self.blocks = iter(blocks)
            self.close = blocks.close

    return lambda environ, start_response: Body(app(environ, start_response))


@legal_middleware(around=closing)
def answers_in_its_place(app):
    """An empty redirect instead of what the application has begun to say."""

    def redirected(environ, start_response):
        blocks = app(environ, lambda status, headers, exc_info=None: lambda data: None)
        next(iter(blocks))
        blocks.close()
        start_response("302 Found", [("Location", "/login")])
        return []

    return redirected


@legal_middleware(Request(method="HEAD"), around=streaming)
def counts_the_body_for_head(app):
    """HEAD has the length that GET would have: nobody waits for a block."""

    def headed(environ, start_response):
        environ["REQUEST_METHOD"] = "GET"
        blocks = app(environ, lambda status, headers, exc_info=None: lambda data: None)
        size = sum(map(len, blocks))
        blocks.close()
        start_response("200 OK", plain(("Content-Length", str(size))))
        return []

    return headed


@legal_middleware(around=hello)
def keeps_its_own_in_capitals(app):
    """A name of its own, no variable of CGI: any object may be there."""

    def provided(environ, start_response):
        environ["SHOP"] = object()
        environ["ENGINE_OPTIONS"] = {"debug": True}
        return app(environ, start_response)

    return provided


@hinted_middleware("path-lost", Request(path="/shop/cart"), around=hello)
def strips_the_prefix(app):
    """It takes the prefix off the path and puts it nowhere: links lead outside. Rewriters want just that."""

    def stripped(environ, start_response):  # hint
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/shop")
        return app(environ, start_response)  # hint

    return stripped


@hinted_middleware("path-lost", Request(path="/v1/cart", script_name="/shop"), around=hello)
def forgets_the_outer_prefix(app):
    """A dispatcher that knows of no other dispatcher around it."""

    def dispatched(environ, start_response):  # hint
        environ["SCRIPT_NAME"] = "/v1"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/v1")
        return app(environ, start_response)  # hint

    return dispatched
