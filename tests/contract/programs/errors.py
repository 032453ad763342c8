"""Errors that are handled wrongly: exc_info, exceptions of start_response, and close() that raises."""

import sys

from tests.contract.programs import Request, broken, broken_middleware
from tests.contract.programs._inner import Blocks, hello, plain, streaming


@broken("exc-info-not-triple")
def exc_info_true(environ, start_response):
    """logging takes exc_info=True; start_response does not."""
    start_response("500 Internal Server Error", plain(), True)  # breach
    return [b"sorry"]


@broken("exc-info-not-triple")
def exc_info_exception(environ, start_response):
    """The exception itself, as logging takes it."""
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        start_response("500 Internal Server Error", plain(), error)  # breach
    return [b"sorry"]


@broken("exc-info-not-triple")
def exc_info_outside_of_except(environ, start_response):
    """sys.exc_info() after the except block is (None, None, None)."""
    try:
        raise ValueError("no such thing")
    except ValueError:
        pass
    start_response("500 Internal Server Error", plain(), sys.exc_info())  # breach
    return [b"sorry"]


@broken("exc-info-not-triple")
def exc_info_text(environ, start_response):
    """traceback.format_exc(), which is text."""
    start_response("500 Internal Server Error", plain(), "Traceback (most recent call last): ...")  # breach
    return [b"sorry"]


@broken_middleware("exc-info-not-triple", around=hello)
def hands_on_a_list(app):
    """A middleware that takes the arguments apart and puts them together."""

    def relayed(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, headers, list(exc_info or ()))  # breach

        return app(environ, start)

    return relayed


@broken("exc-info-swallowed", also=("start-response-late",))
def goes_on_after_the_late_error_page(environ, start_response):
    """It does not want to be stopped by start_response, and appends the error page to half a document."""
    start_response("200 OK", plain())
    yield b"row 1"
    try:
        raise OSError("database gone")
    except OSError:
        try:
            start_response("500 Internal Server Error", plain(), sys.exc_info())  # breach
        except OSError:
            pass
    yield b"sorry"


@broken("exc-info-swallowed", also=("start-response-late",))
def ends_after_the_late_error_page(environ, start_response):
    """The stream just ends, as if it were whole."""
    start_response("200 OK", plain())
    yield b"row 1"
    try:
        raise OSError("database gone")
    except OSError:
        try:
            start_response("500 Internal Server Error", plain(), sys.exc_info())  # breach
        except Exception as error:
            print(error, file=environ["wsgi.errors"])


@broken_middleware("exc-info-swallowed", around=streaming, also=("start-response-late",))
def error_middleware_goes_on(app):
    """An error middleware that shows its page at any price."""

    def covered(environ, start_response):
        blocks = app(environ, start_response)
        try:
            yield next(blocks)
            raise RuntimeError("in the middleware")
        except RuntimeError:
            try:
                start_response("500 Internal Server Error", plain(), sys.exc_info())  # breach
            except RuntimeError:
                yield b"sorry"
        finally:
            blocks.close()

    return covered


@broken_middleware("start-response-raised-ignored", around=hello, also=("start-response-twice",))
def tries_a_head_of_its_own(app):
    """A middleware that starts again, just in case, and ignores that it may not."""

    def tried(environ, start_response):
        body = app(environ, start_response)
        try:
            start_response("200 OK", plain())  # breach
        except Exception:
            pass
        return body

    return tried


@broken_middleware("start-response-raised-ignored", around=hello, also=("start-response-twice",))
def suppresses_everything(app):
    """A wrapper around start_response that never lets an exception through."""

    def suppressed(environ, start_response):
        def start(status, headers, exc_info=None):
            write = start_response(status, headers)
            try:
                write = start_response(status, headers)  # breach
            except BaseException:
                pass
            return write

        return app(environ, start)

    return suppressed


@broken("start-response-raised-ignored", also=("start-response-twice",))
def starts_until_it_works(environ, start_response):
    """A view that tries one head after the other."""
    start_response("200 OK", plain())
    try:
        start_response("404 Not Found", plain())  # breach
    except Exception:
        pass
    return [b"Hello"]


@broken("close-raised", Request(blocks=1))
def generator_that_fails_in_finally(environ, start_response):
    """The clean-up of a stream meets a connection that is gone."""
    start_response("200 OK", plain())
    try:
        yield b"Hello"
        yield b", world"
    finally:
        raise OSError("the connection is gone")  # breach


@broken("close-raised", makes=True)
def close_of_a_cursor():
    """A cursor that cannot be closed any more."""

    class Cursor(Blocks):
        def close(self):
            raise OSError("the connection is gone")  # breach

    def app(environ, start_response):
        start_response("200 OK", plain())
        return Cursor(b"Hello")

    return app


@broken_middleware("close-raised", around=streaming)
def close_of_a_middleware(app):
    """A profiler that writes its file when the response is closed, where it may not."""

    class Profiled:
        def __init__(self, blocks):
            self.blocks = blocks

        def __iter__(self):
            return iter(self.blocks)

        def close(self):
            self.blocks.close()
            raise PermissionError("profile.out")  # breach

    return lambda environ, start_response: Profiled(app(environ, start_response))
