"""Responses that wsgi.file_wrapper makes of a file, and what is wrong with them."""

import io
import tempfile

from tests.contract.programs import broken, broken_server, hinted, legal, legal_server
from tests.contract.programs._inner import file_response, plain


class OfAFunction:
    """What a server's function makes of a file; nobody knows this class."""

    def __init__(self, file, size):
        self.file = file
        self.size = size

    def __iter__(self):
        return iter(lambda: self.file.read(self.size), b"")

    def close(self):
        self.file.close()


def wraps_by_function(file, size=8192):
    return OfAFunction(file, size)


def on_disk(content):
    file = tempfile.TemporaryFile(buffering=0)
    file.write(content)
    file.seek(0)
    return file


@broken("body-too-short")
def file_that_is_shorter(environ, start_response):  # breach
    """The length is out of a database, and the file has changed since."""
    start_response("200 OK", plain(("Content-Length", "100")))
    return environ["wsgi.file_wrapper"](io.BytesIO(b"a file"))


@broken("body-too-short")
def file_that_stands_behind_its_beginning(environ, start_response):  # breach
    """It has looked at the first bytes, and not gone back."""
    file = on_disk(b"GIF89a and so on")
    file.read(6)
    start_response("200 OK", plain(("Content-Length", "16")))
    return environ["wsgi.file_wrapper"](file)


@broken("body-not-bytes")
def file_of_text(environ, start_response):  # breach
    """Opened without "b"."""
    start_response("200 OK", plain())
    return environ["wsgi.file_wrapper"](io.StringIO("a file"))


@broken("start-response-missing")
def file_without_a_head(environ, start_response):  # breach
    """The file says it all, or so it seems."""
    return environ["wsgi.file_wrapper"](io.BytesIO(b"a file"))


@hinted("content-type-missing")
def file_of_no_type(environ, start_response):
    """Nobody can guess it from the name: the client does not get it."""
    start_response("200 OK", [])  # hint
    return environ["wsgi.file_wrapper"](io.BytesIO(b"a file"))


@broken("body-on-no-content")
def file_for_not_modified(environ, start_response):  # breach
    """The status says that the client has it; the file comes all the same."""
    start_response("304 Not Modified", [])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"a file"))


@broken_server("close-missing", around=file_response)
def function_whose_file_is_not_closed(server, app):
    """wsgi.file_wrapper may be a function, as uWSGI's is; what it makes has to be closed, too."""
    server.environ["wsgi.file_wrapper"] = wraps_by_function
    server.iterate(server.call(app))


@legal()
def part_of_a_file(environ, start_response):
    """The server ends at the Content-Length."""
    start_response("206 Partial Content", plain(("Content-Length", "4"), ("Content-Range", "bytes 2-5/16")))
    file = on_disk(b"GIF89a and so on")
    file.seek(2)
    return environ["wsgi.file_wrapper"](file)


@legal()
def file_of_unknown_size(environ, start_response):
    """Only reading would tell how long it is."""
    file = tempfile.NamedTemporaryFile()
    file.write(b"a file")
    file.seek(0)
    start_response("200 OK", plain(("Content-Length", "6")))
    return environ["wsgi.file_wrapper"](file)


@legal_server(around=file_response)
def function_that_makes_a_file_response(server, app):
    """wsgi.file_wrapper is whatever can be called."""
    server.environ["wsgi.file_wrapper"] = wraps_by_function
    server.run(app)
