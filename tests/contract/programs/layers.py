"""Layers that are wrong about each other: start_response of their own, headers that change, calls of servers."""

from tests.contract.programs import Request, broken, broken_middleware, broken_server, hinted, hinted_middleware
from tests.contract.programs._inner import (
    closing,
    file_response,
    hello,
    pages,
    plain,
    replaces_its_head,
    streaming,
    writing,
)

HEAD = Request(method="HEAD")


@broken("headers-mutated")
def adds_a_field_while_streaming(environ, start_response):
    """A trailer of sorts: the time it took, when it is known."""
    headers = plain()
    start_response("200 OK", headers)  # breach
    yield b"Hello"
    headers.append(("X-Runtime", "0.01"))
    yield b", world"  # breach


@broken("headers-mutated")
def adds_a_length_when_it_is_known(environ, start_response):
    """It works where the server sends the head late, and has kept the list itself."""
    headers = plain()
    start_response("200 OK", headers)  # breach
    body = b"Hello"
    headers.append(("Content-Length", str(len(body))))
    return [body]


@broken_middleware("headers-mutated", around=hello)
def saves_the_session_afterwards(app):
    """A session middleware that sets its cookie when the application has returned."""

    def with_session(environ, start_response):
        kept = []

        def start(status, headers, exc_info=None):
            kept.extend(headers)
            sent = list(headers)
            environ["x.headers"] = sent
            return start_response(status, sent, exc_info)  # breach

        body = app(environ, start)
        environ["x.headers"].append(("Set-Cookie", "session=1"))
        return body

    return with_session


@broken_middleware("headers-mutated", around=streaming)
def removes_a_field_at_the_first_block(app):
    """A filter that learns from the first block that the length will change."""

    def filtered(environ, start_response):
        sent = []

        def start(status, headers, exc_info=None):
            sent[:] = headers
            return start_response(status, sent, exc_info)  # breach

        blocks = app(environ, start)
        try:
            for block in blocks:
                sent.clear()
                yield block
        finally:
            blocks.close()

    return filtered


@broken_middleware("start-response-foreign", around=writing)
def start_response_without_write(app):
    """The classic: it calls on, and forgets the return."""

    def recorded(environ, start_response):  # breach
        def start(status, headers, exc_info=None):  # breach
            start_response(status, headers, exc_info)

        return app(environ, start)  # breach

    return recorded


@broken_middleware("start-response-foreign", around=replaces_its_head)
def start_response_of_two_arguments(app):
    """It has never met an application that fails."""

    def recorded(environ, start_response):  # breach
        def start(status, headers):  # breach
            return start_response(status, headers)

        return app(environ, start)  # breach

    return recorded


@broken_middleware("start-response-foreign", around=hello, also=("start-response-missing",))
def start_response_that_collects(app):
    """list.append as a start_response: it takes no two arguments."""

    def collected(environ, start_response):  # breach
        heads = []
        body = app(environ, lambda *head: heads.append(head))  # breach
        start_response(*heads[0])
        return body

    return collected


@broken_server("start-response-foreign", around=hello)
def server_without_write(server, app):
    """A small test client: start_response keeps the head, and returns nothing."""
    proper = server.start_response
    server.start_response = lambda status, headers, exc_info=None: proper(status, headers, exc_info) and None
    server.run(app)


@broken_server("start-response-foreign", around=replaces_its_head)
def server_without_exc_info(server, app):
    """A start_response of two arguments, in the tests of somebody who has read half of the PEP."""
    proper = server.start_response

    def start_response(status, headers):
        return proper(status, headers)

    server.start_response = start_response
    server.run(app)


@broken_server("close-missing", around=closing)
def server_that_does_not_close(server, app):
    """b"".join(app(environ, start_response)), as tests do."""
    server.iterate(server.call(app))


@broken_server("close-missing", Request(blocks=1), around=closing)
def server_whose_client_has_gone(server, app):
    """A server that drops the response with the connection."""
    server.iterate(server.call(app))


@broken_server("close-missing", around=file_response)
def server_that_does_not_close_a_file(server, app):
    """It sends the file, and leaves it to the collector."""
    server.iterate(server.call(app))


@broken_server("close-twice", around=closing)
def server_that_closes_twice(server, app):
    """A server with a finally in a finally."""
    body = server.call(app)
    server.iterate(body)
    server.close(body)
    server.close(body)


@broken_server("body-iterated-twice", around=pages)
def server_that_looks_first(server, app):
    """A server that goes through the body for its size, and then to send it."""
    body = server.call(app)
    server.iterate(body)
    server.iterate(body)
    server.close(body)


@broken_server("body-after-close", around=closing)
def server_that_goes_on(server, app):
    """A thread of the server closes, another one still sends."""
    body = server.call(app)
    iterator = iter(body)
    next(iterator)
    server.close(body)
    next(iterator, None)


@hinted("body-on-head", HEAD)
def body_for_head(environ, start_response):  # hint
    """Legal: the server drops it. But it was made for nothing."""
    start_response("200 OK", plain(("Content-Length", "5")))
    return [b"Hello"]


@hinted("body-on-head", HEAD)
def stream_for_head(environ, start_response):
    """A stream that does not look at the method."""
    start_response("200 OK", plain())
    yield b"one"  # hint
    yield b"two"


@hinted_middleware("file-wrapper-lost", around=file_response)
def file_through_a_generator(app):
    """Legal, and the server cannot send the file by itself any more."""

    def relayed(environ, start_response):  # hint
        blocks = app(environ, start_response)
        try:
            yield from blocks
        finally:
            blocks.close()

    return relayed


@hinted_middleware("file-wrapper-lost", around=file_response)
def file_through_a_wrapper(app):
    """A wrapper class that counts, around a file."""

    class Counted:
        def __init__(self, blocks):
            self.blocks = blocks

        def __iter__(self):
            return iter(self.blocks)

        def close(self):
            self.blocks.close()

    return lambda environ, start_response: Counted(app(environ, start_response))  # hint
