"""Breaches of which another party has its share: the same rule broken elsewhere, or a checker that is hard to see."""

from tests.contract.programs import GET, broken, broken_middleware
from tests.contract.programs._inner import hello, plain

TYPE = [("Content-Type", "text/plain")]


@broken_middleware("body-not-bytes", around=hello)
def router_of_a_dict(app):
    """A router whose applications are values of a dict; the page that is not found is its own."""

    class Router:
        def __init__(self):
            self.routes = {"/hello": app}

        def __call__(self, environ, start_response):  # breach
            found = self.routes.get(environ["PATH_INFO"])
            if found is not None:
                return found(environ, start_response)
            start_response("404 Not Found", plain())
            return ["not found"]

    return Router()


@broken_middleware("body-not-bytes", around=hello)
def router_of_nested_lists(app):
    """A table of (prefix, application) pairs, in a closure."""
    table = [("/hello", (app, "greeting"))]

    def route(environ, start_response):  # breach
        for prefix, (found, _) in table:
            if environ["PATH_INFO"].startswith(prefix):
                return found(environ, start_response)
        start_response("404 Not Found", plain())
        return ["not found"]

    return route


@broken("headers-list-reused", *[GET] * 41, makes=True)
def one_list_among_many():
    """A constant list for one of the pages, and lists of their own for all the others."""
    count = 0

    def app(environ, start_response):
        nonlocal count
        count += 1
        start_response("200 OK", TYPE if count % 40 == 1 else plain())  # breach
        return [b"Hello"]

    return app


@broken("environ-after-request", GET, GET, makes=True)
def logs_afterwards():
    """A job that keeps the stream for its messages, and runs when the request is over."""
    kept = []

    def app(environ, start_response):
        for log in kept:
            log.write("done")  # breach
        kept.append(environ["wsgi.errors"])
        start_response("200 OK", plain())
        return [b"Hello"]

    return app
