"""Legal, if odd: servers whose environ is not the usual one, and what they do with a response."""

from tests.contract.programs import Request, legal_server
from tests.contract.programs._inner import closing, hello, writing


@legal_server(Request(method="PROPFIND", environ={"QUERY_STRING": None, "REMOTE_ADDR": None}), around=hello)
def server_of_the_minimum(server, app):
    """Variables that would be empty may be absent; a method is any token."""
    server.run(app)


@legal_server(Request(path="/", environ={"SCRIPT_NAME": None}), around=hello)
def server_without_script_name(server, app):
    """An empty SCRIPT_NAME may be absent."""
    server.run(app)


@legal_server(Request(method="OPTIONS", path="*"), around=hello)
def server_of_the_asterisk(server, app):
    """OPTIONS * is about the server; it has no path."""
    server.run(app)


@legal_server(Request(path="/лист".encode().decode("latin-1")), around=hello)
def server_with_bytes_as_latin1(server, app):
    """UTF-8 by way of latin-1, as PEP 3333 has it."""
    server.run(app)


@legal_server(around=hello)
def server_with_extensions(server, app):
    """A server's own keys, of any type."""
    server.environ |= {"gunicorn.socket": object(), "wsgi.input_terminated": True, "werkzeug.request": None}
    server.run(app)


@legal_server(Request(method="POST", environ={"CONTENT_LENGTH": "invalid"}), around=hello)
def server_that_hands_on_a_length_that_is_none(server, app):
    """CONTENT_LENGTH is what the field has, as wsgiref's server takes it."""
    server.run(app)


@legal_server(around=hello)
def server_with_truthy_flags(server, app):
    """The flags are true or false, not necessarily bool."""
    server.environ |= {"wsgi.multithread": 1, "wsgi.multiprocess": 0, "wsgi.run_once": ""}
    server.run(app)


@legal_server(Request(blocks=0), around=closing)
def server_that_closes_unread(server, app):
    """The client is gone: close() without one block."""
    server.run(app)


@legal_server(Request(path="", script_name="/shop/"), around=hello)
def server_of_traversed_objects(server, app):
    """What wsgiref.util.shift_path_info makes of a last slash: it leaves PATH_INFO and ends SCRIPT_NAME."""
    server.run(app)


@legal_server(around=hello)
def server_with_its_environment(server, app):
    """PEP 3333 allows the variables of the operating system, whatever they hold."""
    server.environ |= {"LANG": "pl_PL", "REALNAME": "Łukasz", "HOME": "/home/\udcff"}
    server.run(app)


@legal_server(Request(method="POST", body=b"Hello"), around=hello)
def server_with_every_field(server, app):
    """It makes HTTP_ of each field, those too that have a variable of their own."""
    server.environ |= {"HTTP_CONTENT_TYPE": "application/octet-stream", "HTTP_CONTENT_LENGTH": "5"}
    server.run(app)


@legal_server(Request(path="/stream"), around=writing)
def server_whose_client_leaves_write(server, app):
    """write() tells that nobody is there any more, and the application lets that pass."""
    proper = server.start_response

    def start_response(status, headers, exc_info=None):
        write = proper(status, headers, exc_info)

        def gone(data):
            write(data)
            raise BrokenPipeError("the client is gone")

        return gone

    server.start_response = start_response
    server.run(app)


def interrupted(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    raise KeyboardInterrupt


@legal_server(around=interrupted)
def server_that_is_interrupted(server, app):
    """Ctrl-C while the application runs is nobody's mistake."""
    server.run(app)
