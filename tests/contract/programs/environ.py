"""Callers that hand on a wrong environ: servers, and middleware in between."""

import collections
import logging
import types

from tests.contract.programs import Request, broken, broken_middleware, broken_server
from tests.contract.programs._inner import hello, plain

CYRILLIC = Request(path="/лист".encode().decode("latin-1"))
TWICE = (Request(path="/first"), Request(path="/second"))


@broken_middleware("environ-replaced", around=hello)
def chains_two_mappings(app):
    """A middleware that lays its own keys over the environ with a ChainMap."""

    def layered(environ, start_response):  # breach
        return app(collections.ChainMap({"x.user": "ada"}, environ), start_response)  # breach

    return layered


@broken_middleware("environ-replaced", around=hello)
def dict_with_defaults(app):
    """A subclass, so that a missing key is ''."""

    class Environ(dict):
        def __missing__(self, key):
            return ""

    def lenient(environ, start_response):  # breach
        return app(Environ(environ), start_response)  # breach

    return lenient


@broken_server("environ-replaced", around=hello)
def read_only_environ(server, app):
    """A server that protects its own."""
    server.environ = types.MappingProxyType(server.environ)
    server.run(app)


@broken_server("environ-replaced", around=hello)
def environ_of_os(server, app):
    """A CGI server that hands on os.environ's kind of object."""
    server.environ = collections.UserDict(server.environ)
    server.run(app)


@broken_middleware("environ-key-type", around=hello)
def bytes_as_key(app):
    """Keys as the wire has them."""

    def keyed(environ, start_response):  # breach
        environ[b"X-User"] = "ada"
        return app(environ, start_response)  # breach

    return keyed


@broken_middleware("environ-key-type", around=hello)
def class_as_key(app):
    """Services by their type, as containers keep them."""

    class Database:
        pass

    def provided(environ, start_response):  # breach
        environ[Database] = Database()
        return app(environ, start_response)  # breach

    return provided


@broken_server("environ-key-type", around=hello)
def none_as_key(server, app):
    """A server whose table of names has a hole."""
    server.environ[None] = ""
    server.run(app)


@broken_middleware("environ-value-type", around=hello)
def user_number(app):
    """Authentication that knows its users by number."""

    def authenticated(environ, start_response):  # breach
        environ["REMOTE_USER"] = 42
        return app(environ, start_response)  # breach

    return authenticated


@broken_middleware("environ-value-type", around=hello)
def nobody(app):
    """None for a user who has not logged in."""

    def authenticated(environ, start_response):  # breach
        environ["REMOTE_USER"] = None
        return app(environ, start_response)  # breach

    return authenticated


@broken_middleware("environ-value-type", CYRILLIC, around=hello)
def decoded_path(app):
    """A middleware that decodes the path for good."""

    def decoded(environ, start_response):  # breach
        environ["PATH_INFO"] = environ["PATH_INFO"].encode("latin-1").decode("utf-8")
        return app(environ, start_response)  # breach

    return decoded


@broken_middleware("environ-value-type", around=hello)
def length_as_int(app):
    """It has replaced the input, and sets the length as len() gives it."""

    def replaced(environ, start_response):  # breach
        environ["CONTENT_LENGTH"] = len(b"")
        return app(environ, start_response)  # breach

    return replaced


@broken_middleware("environ-value-type", around=hello)
def input_is_what_was_read(app):
    """It has read the body, and puts the bytes in the stream's place."""

    def looked_at(environ, start_response):  # breach
        environ["wsgi.input"] = environ["wsgi.input"].read()
        return app(environ, start_response)  # breach

    return looked_at


@broken_middleware("environ-value-type", around=hello)
def errors_are_a_logger(app):
    """It sends what is written there to its log, which has no write()."""

    def logged(environ, start_response):  # breach
        environ["wsgi.errors"] = logging.getLogger("shop")
        return app(environ, start_response)  # breach

    return logged


@broken_server("environ-value-type", around=hello)
def version_out_of_json(server, app):
    """A server whose environ comes through JSON, which has no tuples."""
    server.environ["wsgi.version"] = [1, 0]
    server.run(app)


@broken_server("environ-value-type", around=hello)
def scheme_as_bytes(server, app):
    """A server that keeps to what is on the wire."""
    server.environ["wsgi.url_scheme"] = b"https"
    server.run(app)


@broken_server("environ-value-type", around=hello)
def port_as_int(server, app):
    """A server that takes its port from socket.getsockname()."""
    server.environ["SERVER_PORT"] = 80
    server.run(app)


@broken_server("environ-value-type", around=hello)
def field_as_bytes(server, app):
    """A server that hands on the fields as it has read them."""
    server.environ["HTTP_USER_AGENT"] = b"curl"
    server.run(app)


@broken_server("environ-value-type", around=hello)
def query_beyond_latin1(server, app):
    """A test client that takes text as it was typed."""
    server.environ["QUERY_STRING"] = "q=лист"
    server.run(app)


@broken_server("environ-key-removed", around=hello)
def no_errors(server, app):
    """A server that has no log."""
    del server.environ["wsgi.errors"]
    server.run(app)


@broken_server("environ-key-removed", around=hello)
def no_server_name(server, app):
    """A server on a Unix socket, which has no name."""
    del server.environ["SERVER_NAME"]
    server.run(app)


@broken_server("environ-key-removed", around=hello)
def no_threading_flag(server, app):
    """A home-made test client."""
    del server.environ["wsgi.multithread"]
    server.run(app)


@broken_middleware("environ-key-removed", around=hello)
def strips_what_is_not_http(app):
    """A sandbox that hands on what came from the client only."""

    def sandboxed(environ, start_response):  # breach
        kept = {key: value for key, value in environ.items() if not key.startswith("wsgi.multi")}
        return app(kept, start_response)  # breach

    return sandboxed


@broken_middleware("environ-key-removed", around=hello)
def takes_the_input_out(app):
    """A middleware that has read the body and removes the input, so that nobody reads it again."""

    def emptied(environ, start_response):  # breach
        environ.pop("wsgi.input")
        return app(environ, start_response)  # breach

    return emptied


@broken_server("environ-path-shape", Request(path="", script_name="/"), around=hello)
def root_as_script_name(server, app):
    """A server that is told to serve below '/'."""
    server.run(app)


@broken_server("environ-path-shape", Request(path="hello"), around=hello)
def path_without_slash(server, app):
    """A test client called with a relative path."""
    server.run(app)


@broken_server("environ-path-shape", around=hello)
def type_as_field(server, app):
    """A server that makes HTTP_ of every field."""
    server.environ["HTTP_CONTENT_TYPE"] = "text/plain"
    server.run(app)


@broken_middleware("environ-path-shape", Request(path="/shop/cart"), around=hello)
def prefix_with_slash(app):
    """A dispatcher whose prefixes end in a slash."""

    def dispatched(environ, start_response):  # breach
        environ["SCRIPT_NAME"] += "/shop/"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/shop")
        return app(environ, start_response)  # breach

    return dispatched


@broken_middleware("environ-path-shape", Request(path="/shop/cart"), around=hello)
def path_split_behind_the_slash(app):
    """A dispatcher that leaves the slash to the prefix's side."""

    def dispatched(environ, start_response):  # breach
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/shop/", "cart"
        return app(environ, start_response)  # breach

    return dispatched


@broken("environ-after-request", *TWICE, makes=True)
def thread_that_starts_too_late():
    """A saved start_response, called when the request is long gone."""
    kept = []

    def app(environ, start_response):
        for late in kept:
            try:
                late("200 OK", plain())  # breach
            except Exception:
                pass
        kept.append(start_response)
        start_response("200 OK", plain())
        return [b"Hello"]

    return app


@broken("environ-after-request", *TWICE, makes=True)
def reads_the_body_afterwards():
    """A background job that is given the upload, and reads it when it is its turn."""
    jobs = []

    def app(environ, start_response):
        for job in jobs:
            job.read(10)  # breach
        jobs.append(environ["wsgi.input"])
        start_response("200 OK", plain())
        return [b"Thanks"]

    return app


@broken_middleware("environ-after-request", *TWICE, around=hello)
def reads_lines_afterwards(app):
    """A recorder of uploads that works through them between requests."""
    kept = []

    def recorded(environ, start_response):
        while kept:
            kept.pop().readline()  # breach
        kept.append(environ["wsgi.input"])
        return app(environ, start_response)

    return recorded
