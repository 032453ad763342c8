"""Header lists that go wrong: their types, their syntax, and fields that are not the application's to set."""

from tests.contract.programs import broken, broken_middleware, hinted, hinted_middleware
from tests.contract.programs._inner import hello, plain


@broken("headers-not-list")
def headers_are_a_dict(environ, start_response):
    """A dict, as requests and every framework take."""
    start_response("200 OK", {"Content-Type": "text/plain"})  # breach
    return [b"Hello"]


@broken("headers-not-list")
def headers_are_items(environ, start_response):
    """dict.items() was a list in Python 2."""
    start_response("200 OK", {"Content-Type": "text/plain"}.items())  # breach
    return [b"Hello"]


@broken("headers-not-list")
def headers_are_a_tuple(environ, start_response):
    """A constant, made safe from changes."""
    start_response("200 OK", (("Content-Type", "text/plain"),))  # breach
    return [b"Hello"]


@broken("headers-not-list")
def headers_are_a_generator(environ, start_response):
    """Fields converted on the way."""
    start_response("200 OK", (field for field in plain()))  # breach
    return [b"Hello"]


@broken("headers-not-list")
def headers_are_none(environ, start_response):
    """No headers at all, said with None."""
    start_response("204 No Content", None)  # breach
    return []


@broken_middleware("headers-not-list", around=hello)
def filtered_headers(app):
    """filter() was a list in Python 2."""

    def without_server(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, filter(lambda item: item[0] != "Server", headers))  # breach

        return app(environ, start)

    return without_server


@broken("headers-item")
def items_are_lists(environ, start_response):
    """Headers out of JSON have lists for pairs."""
    start_response("200 OK", [["Content-Type", "text/plain"]])  # breach
    return [b"Hello"]


@broken("headers-item")
def items_are_lines(environ, start_response):
    """Lines, as print() gave them to CGI."""
    start_response("200 OK", ["Content-Type: text/plain"])  # breach
    return [b"Hello"]


@broken("headers-item")
def items_of_three(environ, start_response):
    """A parameter beside the value, as wsgiref.headers.add_header takes it."""
    start_response("200 OK", [("Content-Type", "text/plain", "charset=utf-8")])  # breach
    return [b"Hello"]


@broken_middleware("headers-item", around=hello)
def extends_by_a_pair(app):
    """list.extend with a pair where append was meant adds two strings."""

    def extended(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, *("X-Frame-Options", "DENY")])  # breach

        return app(environ, start)

    return extended


@broken("header-name-type")
def names_are_bytes(environ, start_response):
    """Headers as ASGI has them."""
    start_response("200 OK", [(b"Content-Type", "text/plain")])  # breach
    return [b"Hello"]


@broken("header-name-type")
def name_is_none(environ, start_response):
    """A name from a table that lacks it."""
    start_response("200 OK", plain((None, "1")))  # breach
    return [b"Hello"]


@broken("header-value-type")
def length_is_int(environ, start_response):
    """The classic: Content-Length as len() gives it."""
    body = b"Hello"
    start_response("200 OK", plain(("Content-Length", len(body))))  # breach
    return [body]


@broken("header-value-type")
def value_is_none(environ, start_response):
    """An optional value that was not there."""
    start_response("200 OK", plain(("ETag", environ.get("x.etag"))))  # breach
    return [b"Hello"]


@broken("header-value-type")
def value_is_bytes(environ, start_response):
    """A cookie that was signed, and is bytes since."""
    start_response("200 OK", plain(("Set-Cookie", b"session=abc")))  # breach
    return [b"Hello"]


@broken("header-value-type")
def value_is_a_list(environ, start_response):
    """Several values for one name, as dicts of headers have them."""
    start_response("200 OK", plain(("Set-Cookie", ["a=1", "b=2"])))  # breach
    return [b"Hello"]


@broken_middleware("header-value-type", around=hello)
def runtime_as_float(app):
    """A timer's header."""

    def timed(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Runtime", 0.012)], exc_info)  # breach

        return app(environ, start)

    return timed


@broken("header-name-malformed")
def name_with_colon(environ, start_response):
    """A line cut at the blank."""
    start_response("200 OK", [("Content-Type:", "text/plain")])  # breach
    return []


@broken("header-name-malformed")
def name_with_blank(environ, start_response):
    """A name out of a heading."""
    start_response("200 OK", plain(("Request Id", "17")))  # breach
    return [b"Hello"]


@broken("header-name-malformed")
def empty_name(environ, start_response):
    """ "".partition(":") of an empty line."""
    start_response("200 OK", plain(("", "")))  # breach
    return [b"Hello"]


@broken("header-name-malformed")
def name_with_umlaut(environ, start_response):
    """Latin-1, but no token."""
    start_response("200 OK", plain(("X-Größe", "5")))  # breach
    return [b"Hello"]


@broken("header-injection")
def line_end_from_a_form(environ, start_response):
    """A redirect to wherever the client says."""
    target = "/next\r\nSet-Cookie: admin=1"
    start_response("302 Found", plain(("Location", target)))  # breach
    return []


@broken("header-injection")
def cookies_joined_by_lines(environ, start_response):
    """str() of http.cookies.SimpleCookie with two cookies in it."""
    start_response("200 OK", plain(("Set-Cookie", "a=1\r\nb=2")))  # breach
    return [b"Hello"]


@broken("header-injection")
def value_read_from_a_file(environ, start_response):
    """A version file ends with a line end."""
    start_response("200 OK", plain(("X-Version", "1.4.2\n")))  # breach
    return [b"Hello"]


@broken("header-injection")
def folded_value(environ, start_response):
    """email.message folds long headers; HTTP has given it up."""
    start_response("200 OK", plain(("Link", "</a.css>; rel=preload,\r\n </b.css>; rel=preload")))  # breach
    return [b"Hello"]


@broken("header-injection")
def nul_in_value(environ, start_response):
    """A name out of a C structure."""
    start_response("200 OK", plain(("Content-Disposition", 'attachment; filename="a\0.txt"')))  # breach
    return [b"Hello"]


@broken_middleware("header-injection", around=hello)
def traceback_in_a_header(app):
    """A debugging middleware that sends what was raised."""

    def told(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Trace", "in a\nin b")], exc_info)  # breach

        return app(environ, start)

    return told


@broken("header-not-latin1")
def file_name_in_cyrillic(environ, start_response):
    """A download keeps the name that its owner gave it."""
    start_response("200 OK", plain(("Content-Disposition", 'attachment; filename="лист.txt"')))  # breach
    return [b"Hello"]


@broken("header-not-latin1")
def typographic_quotes(environ, start_response):
    """A title that a word processor has made nicer."""
    start_response("200 OK", plain(("X-Title", "\u201cHello\u201d")))  # breach
    return [b"Hello"]


@broken("header-hop-by-hop")
def connection_close(environ, start_response):
    """Wants the connection closed, which is not its own."""
    start_response("200 OK", plain(("Connection", "close")))  # breach
    return [b"Hello"]


@broken("header-hop-by-hop")
def chunked_by_itself(environ, start_response):
    """A stream that announces the framing it thinks it needs."""
    start_response("200 OK", plain(("transfer-encoding", "chunked")))  # breach
    return [b"Hello"]


@broken("header-hop-by-hop")
def keep_alive(environ, start_response):
    """Copied from another server's answer."""
    start_response("200 OK", plain(("Keep-Alive", "timeout=5")))  # breach
    return [b"Hello"]


@broken_middleware("header-hop-by-hop", around=hello)
def proxies_all_fields(app):
    """A proxy that hands on what the other server said about its own connection."""

    def proxied(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("Upgrade", "h2c")], exc_info)  # breach

        return app(environ, start)

    return proxied


@broken("header-duplicate-length")
def length_twice(environ, start_response):
    """The view says it, and the base class too."""
    start_response("200 OK", plain(("Content-Length", "5"), ("content-length", "5")))  # breach
    return [b"Hello"]


@broken("header-duplicate-length")
def length_unknown(environ, start_response):
    """str(None), where a size was expected."""
    start_response("200 OK", plain(("Content-Length", "None")))  # breach
    return [b"Hello"]


@broken("header-duplicate-length")
def length_negative(environ, start_response):
    """-1 stands for unknown in other interfaces."""
    start_response("200 OK", plain(("Content-Length", "-1")))  # breach
    return [b"Hello"]


@broken_middleware("header-duplicate-length", around=hello)
def appends_a_length(app):
    """A middleware that adds the length without looking whether it is there."""

    def measured(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("Content-Length", "5")], exc_info)  # breach

        return app(environ, start)

    return measured


@hinted("header-status-field")
def status_as_field(environ, start_response):
    """A CGI program's habit."""
    start_response("404 Not Found", plain(("Status", "404 Not Found")))  # hint
    return [b"Hello"]


@hinted_middleware("header-status-field", around=hello)
def cgi_gateway(app):
    """A gateway that keeps the field of the CGI program behind it."""

    def gateway(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("status", status)], exc_info)  # hint

        return app(environ, start)

    return gateway


@hinted("content-type-unwanted")
def type_of_nothing(environ, start_response):
    """A framework's default type on 204."""
    start_response("204 No Content", plain())  # hint
    return []


@hinted("content-type-unwanted")
def type_of_what_is_known(environ, start_response):
    """A 304 made by changing the status of the 200."""
    start_response("304 Not Modified", plain(("ETag", '"17"')))  # hint
    return []
