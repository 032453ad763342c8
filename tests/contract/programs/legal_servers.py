"""Legal, if odd: servers whose environ is not the usual one, and what they do with a response."""

from tests.contract.programs import Request, legal_server
from tests.contract.programs._inner import closing, hello


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


@legal_server(around=hello)
def server_with_truthy_flags(server, app):
    """The flags are true or false, not necessarily bool."""
    server.environ |= {"wsgi.multithread": 1, "wsgi.multiprocess": 0, "wsgi.run_once": ""}
    server.run(app)


@legal_server(Request(blocks=0), around=closing)
def server_that_closes_unread(server, app):
    """The client is gone: close() without one block."""
    server.run(app)
