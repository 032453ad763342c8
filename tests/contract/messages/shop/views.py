"""One view for each mistake, as applications of their own."""

PLAIN = ("Content-Type", "text/plain")


def without_head(environ, start_response):
    return [b"Hello"]


def text(environ, start_response):
    start_response("200 OK", [PLAIN])
    return ["Hello"]


def two_heads(environ, start_response):
    start_response("200 OK", [PLAIN])
    start_response("404 Not Found", [PLAIN])
    return [b"Not found"]
