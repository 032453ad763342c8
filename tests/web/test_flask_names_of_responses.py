"""What Flask people call on a response besides what test_response.py has."""

from __future__ import annotations

from dragoman.web import Request, Response
from tests.web.environs import environ_for


def test_a_response_becomes_conditional_by_a_request_or_its_environ() -> None:
    first = Response("text")
    first.add_etag()
    environ = environ_for(HTTP_IF_NONE_MATCH=first.headers["ETag"])
    for given in (environ, Request(environ)):
        response = Response("text")
        response.add_etag()
        assert response.make_conditional(given).status_code == 304
