"""write() used wrongly."""

from tests.contract.programs import Request, broken, broken_middleware, hinted
from tests.contract.programs._inner import closing, hello, plain, streaming

TWICE = (Request(path="/first"), Request(path="/second"))


@broken("write-not-bytes")
def writes_text(environ, start_response):
    """print-like code, moved over from CGI."""
    write = start_response("200 OK", plain())
    write("Hello")  # breach
    return []


@broken("write-not-bytes")
def writes_a_list(environ, start_response):
    """The list that would have been returned."""
    write = start_response("200 OK", plain())
    write([b"Hello"])  # breach
    return []


@broken("write-not-bytes")
def writes_a_bytearray(environ, start_response):
    """A buffer that is used again."""
    write = start_response("200 OK", plain())
    write(bytearray(b"Hello"))  # breach
    return []


@broken_middleware("write-not-bytes", around=hello)
def writes_a_text_banner(app):
    """A middleware that pushes a banner in front of the page."""

    def announced(environ, start_response):
        def start(status, headers, exc_info=None):
            write = start_response(status, plain(), exc_info)
            write("banner")  # breach
            return write

        return app(environ, start)

    return announced


@broken("write-after-end", *TWICE, makes=True)
def writes_into_the_next_request():
    """A long-poll hub that keeps write() of clients who are gone."""
    kept = []

    def app(environ, start_response):
        for write in kept:
            try:
                write(b"news")  # breach
            except Exception:
                pass
        kept.append(start_response("200 OK", plain()))
        return [b"Hello"]

    return app


@broken("write-after-end", *TWICE, makes=True)
def worker_thread_writes_late():
    """A thread that is done after the response is."""
    import threading

    kept = []

    def late():
        try:
            kept.pop()(b"late")  # breach
        except Exception:
            pass

    def app(environ, start_response):
        if kept:
            thread = threading.Thread(target=late)
            thread.start()
            thread.join()
        else:
            kept.append(start_response("200 OK", plain()))
            return [b"Hello"]
        start_response("200 OK", plain())
        return [b"Hello"]

    return app


@broken("write-after-end", makes=True, also=("close-raised",))
def writes_as_it_is_closed():
    """A footer, written when the response is closed."""

    class Page:
        def __init__(self, write):
            self.write = write

        def __iter__(self):
            yield b"Hello"

        def close(self):
            self.write(b"<!-- 0.01 s -->")  # breach

    def app(environ, start_response):
        return Page(start_response("200 OK", plain()))

    return app


@broken("write-in-iterable")
def writes_while_streaming(environ, start_response):
    """Half of it is yielded, half of it is written."""
    write = start_response("200 OK", plain())
    yield b"Hello"
    write(b", world")  # breach
    yield b"!"


@broken("write-in-iterable")
def generator_that_only_writes(environ, start_response):
    """A generator because of one yield, a writer for the rest."""
    write = start_response("200 OK", plain())
    write(b"Hello")  # breach
    yield b""


@broken_middleware("write-in-iterable", around=streaming)
def writes_a_footer(app):
    """A middleware that pushes its footer between the blocks."""

    def footed(environ, start_response):
        writes = []

        def start(status, headers, exc_info=None):
            writes.append(start_response(status, headers, exc_info))
            return writes[0]

        blocks = app(environ, start)
        try:
            for block in blocks:
                yield block
                writes[0](b"-")  # breach
        finally:
            blocks.close()

    return footed


@broken_middleware("yielded-through-write", around=closing, also=("chunk-pulled-ahead", "block-swallowed"))
def pushes_the_blocks(app):
    """A middleware that turns the iterable into calls of write()."""

    def pushed(environ, start_response):
        writes = []

        def start(status, headers, exc_info=None):
            writes.append(start_response(status, headers, exc_info))
            return writes[0]

        blocks = app(environ, start)
        for block in blocks:
            writes[0](block)  # breach
        blocks.close()
        return []

    return pushed


@broken_middleware("yielded-through-write", around=closing, also=("chunk-pulled-ahead",))
def pushes_the_first_block(app):
    """It sends the first block at once, so that the client sees something."""

    def pushed(environ, start_response):
        write = start_response("200 OK", plain())
        blocks = app(environ, lambda status, headers, exc_info=None: write)
        iterator = iter(blocks)
        write(next(iterator))  # breach

        class Rest:
            close = blocks.close

            def __iter__(self):
                return iterator

        return Rest()

    return pushed


@hinted("write-used")
def writes_its_body(environ, start_response):
    """Legal, and what old programs do."""
    start_response("200 OK", plain())(b"Hello")  # hint
    return []


@hinted("write-used")
def writes_then_returns(environ, start_response):
    """The head of the page written, its rest returned."""
    write = start_response("200 OK", plain())
    write(b"<html>")  # hint
    return [b"</html>"]
