"""The catalogue: a table of the requests that every application gets, whatever its routes are."""

from dragoman.check.request import FORM, Client, Request

__all__ = ["CATALOGUE", "NOWHERE"]

# No application has a route there, so that nothing is changed by a method that might.
NOWHERE = "/dragoman-check/there-is-no-such-path"

LONG = b"0123456789abcdef" * 16_384  # 256 KiB
PARTS = (
    b'--limit\r\nContent-Disposition: form-data; name="name"\r\n\r\nvalue\r\n'
    b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    b"line one\nline two\r\n--limit--\r\n"
)
MULTIPART = (("Content-Type", "multipart/form-data; boundary=limit"),)
JSON = (("Content-Type", "application/json"),)
FORM_TYPE = (("Content-Type", FORM),)
OCTETS = (("Content-Type", "application/octet-stream"),)

# fmt: off
CATALOGUE: tuple[Request, ...] = (
    # Methods.
    Request("get", why="the plain case"),
    Request("head", "HEAD", why="a head as that of GET, and no body"),
    Request("options", "OPTIONS", why="asked by browsers before a request to another site"),
    Request("get-nowhere", path=NOWHERE, why="the page for what is not found"),
    Request("head-nowhere", "HEAD", NOWHERE, why="an error page has no body here"),
    Request("post-nowhere", "POST", NOWHERE, why="without a body, and without Content-Length"),
    Request("put-nowhere", "PUT", NOWHERE, headers=OCTETS, body=b"new", why="a body that nobody wants"),
    Request("patch-nowhere", "PATCH", NOWHERE, headers=JSON, body=b"{}", why="a body that nobody wants"),
    Request("delete-nowhere", "DELETE", NOWHERE, why="answered by 404 or 405, often by another code path"),
    Request("unknown-method", "BREW", NOWHERE, why="a method is any token: 501 or 405, no exception"),
    Request("lower-case-method", "get", NOWHERE, why="methods are case-sensitive: this is none that is known"),

    # Paths.
    Request("empty-path", path="", environ={"SCRIPT_NAME": "/mount"}, why="the root of a mount has no path"),
    Request("mounted", path="/", environ={"SCRIPT_NAME": "/mount"}, why="URLs have to begin with the mount point"),
    Request("two-slashes", path="//", why="joined to a host name by careless code"),
    Request("slashes-and-host", path="//example.com/..", why="a redirect to it would leave the site"),
    Request("dots", path="/../../etc/passwd", why="files outside of a root"),
    Request("dot", path="/.", why="a name that is none"),
    Request("utf-8-path", path="/gr\xc3\xbc\xc3\x9fe", why="UTF-8 as PEP 3333 carries it: bytes as latin-1"),
    Request("latin-1-path", path="/gr\xfc\xdfe", why="bytes that are no UTF-8 have to be no 500"),
    Request("nul-in-path", path="/a\x00b", why="%00: file functions raise ValueError"),
    Request("line-end-in-path", path="/a\r\nSet-Cookie: b=c", why="%0D%0A: injected where a redirect copies it"),
    Request("percent-in-path", path="/100%", why="%25 decoded: not to be decoded again"),
    Request("encoded-slash", path="/a/b", environ={"REQUEST_URI": "/a%2Fb", "RAW_URI": "/a%2Fb"},
            why="the raw target differs from the path"),
    Request("semicolon-path", path="/a;v=1/b", why="parameters of a path segment"),
    Request("long-path", path="/" + "a" * 7000, why="longer than a file name may be"),
    Request("deep-path", path="/a" * 1000, why="recursion over segments"),
    Request("absolute-form", path=NOWHERE, environ={"REQUEST_URI": "http://localhost" + NOWHERE},
            why="what a proxy sends as the target"),

    # Queries.
    Request("query", query="a=1&b=2&a=3", why="a name twice"),
    Request("empty-values", query="&&=&a&b=", why="pairs without names or values"),
    Request("broken-escapes", query="a=%&b=%zz&c=%f", why="escapes that are none"),
    Request("query-not-utf-8", query="a=%ff%fe&b=%00", why="bytes that are no UTF-8, and NUL"),
    Request("second-question-mark", query="a=b?c=d", why="the first one ends the path, this one is data"),
    Request("many-pairs", query="&".join(f"n{number}={number}" for number in range(1200)),
            why="frameworks bound their number"),
    Request("long-query", query="a=" + "b" * 7000, why="as long as servers let pass"),

    # Conditions, ranges, negotiation.
    Request("if-none-match-star", headers=(("If-None-Match", "*"),), why="304 for anything that exists: no body"),
    Request("if-none-match", headers=(("If-None-Match", 'W/"a", "b"'),), why="304 where one of them fits"),
    Request("if-modified-since", headers=(("If-Modified-Since", "Fri, 31 Dec 2099 23:59:59 GMT"),),
            why="304 where there is a date"),
    Request("if-modified-since-odd", headers=(("If-Modified-Since", "yesterday"),), why="not a date: ignored"),
    Request("if-match", headers=(("If-Match", '"never"'),), why="412 where it is looked at"),
    Request("range", headers=(("Range", "bytes=0-0"),), why="206 with one byte, or the whole"),
    Request("range-tail", headers=(("Range", "bytes=-1"),), why="the last byte"),
    Request("ranges", headers=(("Range", "bytes=0-0,2-2"),), why="several parts, or the whole"),
    Request("range-outside", headers=(("Range", "bytes=99999999-"),), why="416, with its own length"),
    Request("range-odd", headers=(("Range", "bytes=b-a"),), why="not a range: ignored"),
    Request("gzip", headers=(("Accept-Encoding", "gzip, deflate, br"),), why="a compressed body has another length"),
    Request("gzip-head", "HEAD", headers=(("Accept-Encoding", "gzip"),), why="compressing what is not there"),
    Request("identity-refused", headers=(("Accept-Encoding", "*;q=0"),), why="nothing is acceptable"),
    Request("accept-json", headers=(("Accept", "application/json"),), why="error pages are negotiated, too"),
    Request("accept-odd", headers=(("Accept", ";;q=x,*"), ("Accept-Language", "x;q=,-")), why="lists that are none"),

    # Other fields.
    Request("cookies-odd", headers=(("Cookie", 'a="b; c; =d; e=\xe4; $Version=1; a=2; ;;'),),
            why="what years of other software have left in a browser"),
    Request("session-cookies-odd", headers=(("Cookie", "session=.; sessionid=x; csrftoken="),),
            why="sessions that nobody has signed"),
    Request("authorization-odd", headers=(("Authorization", "Basic !"),), why="not base64"),
    Request("expect", headers=(("Expect", "100-continue"),), why="without a body: there is nothing to wait for"),
    Request("forwarded", headers=(("X-Forwarded-For", "unknown, ::1"), ("X-Forwarded-Proto", "https,http"),
                                  ("Forwarded", "for=_x")), why="what proxies add"),
    Request("upgrade", headers=(("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                                ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")),
            why="a WebSocket's handshake: the fields of the answer are the server's"),
    Request("http-1.0", environ={"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_HOST": None}, why="no Host, no chunks"),
    Request("field-not-ascii", headers=(("X-Name", "gr\xfc\xdfe"),), why="bytes as latin-1"),

    # Bodies.
    Request("form", "POST", NOWHERE, headers=FORM_TYPE, body=b"a=1&b=%C3%BC&b=2&c", why="a form of HTML"),
    Request("form-odd", "POST", NOWHERE, headers=FORM_TYPE, body=b"&=%zz&\xff=\xfe", why="a form of nobody's"),
    Request("multipart", "POST", NOWHERE, headers=MULTIPART, body=PARTS, why="an upload"),
    Request("multipart-cut", "POST", NOWHERE, headers=MULTIPART, body=PARTS[:150], why="without its last line"),
    Request("multipart-no-boundary", "POST", NOWHERE, headers=(("Content-Type", "multipart/form-data"),), body=PARTS,
            why="cannot be taken apart"),
    Request("json", "POST", NOWHERE, headers=JSON, body=b'{"a": [1, null, "\xc3\xbc"]}', why="an API's body"),
    Request("json-broken", "POST", NOWHERE, headers=JSON, body=b'{"a": ', why="400, no exception"),
    Request("type-odd", "POST", NOWHERE, headers=(("Content-Type", ";;/"),), body=b"x", why="not a media type"),
    Request("charset-odd", "POST", NOWHERE, headers=(("Content-Type", f"{FORM}; charset=nobody"),), body=b"a=1",
            why="an encoding that Python does not know"),
    Request("no-type", "POST", NOWHERE, body=b"a=1", why="a body without a type"),
    Request("empty-body", "POST", NOWHERE, headers=(*FORM_TYPE, ("Content-Length", "0")),
            why="there is nothing to read"),
    Request("empty-length", "POST", NOWHERE, environ={"CONTENT_LENGTH": "", "CONTENT_TYPE": ""},
            why="RFC 3875 allows empty variables"),
    Request("get-with-body", path=NOWHERE, headers=JSON, body=b"{}", why="legal, and read by nobody"),
    Request("head-with-body", "HEAD", NOWHERE, headers=JSON, body=b"{}", why="legal, and read by nobody"),
    Request("chunked", "POST", NOWHERE, headers=(*FORM_TYPE, ("Transfer-Encoding", "chunked")), body=b"a=1&b=2",
            is_chunked=True, why="no Content-Length; the input ends by itself"),
    Request("chunked-empty", "POST", NOWHERE, headers=(*JSON, ("Transfer-Encoding", "chunked")), is_chunked=True,
            why="no Content-Length, and no byte"),
    Request("long-body", "POST", NOWHERE, headers=OCTETS, body=LONG, why="a body that is left unread"),
    Request("long-body-expect", "PUT", NOWHERE, headers=(*OCTETS, ("Expect", "100-continue")), body=LONG,
            why="the client waits for a word before it sends"),
    Request("gone-in-body", "POST", NOWHERE, headers=OCTETS, body=LONG, client=Client.GONE,
            why="read() raises an OSError"),
    Request("gone-in-form", "POST", NOWHERE, headers=FORM_TYPE, body=b"a=1&b=2", client=Client.GONE,
            why="read() raises an OSError inside of the framework's parser"),
    Request("gone-in-upload", "POST", NOWHERE, headers=MULTIPART, body=PARTS, client=Client.GONE,
            why="read() raises an OSError between two parts"),
    Request("short-body", "POST", NOWHERE, headers=OCTETS, body=b"x" * 100, client=Client.SHORT,
            why="less comes than Content-Length says, as some servers let through"),

    # Clients that leave, and servers with less.
    Request("left-at-once", blocks=0, why="close() without a block: a generator's finally does not run"),
    Request("left-after-one-block", blocks=1, why="close() in the middle"),
    Request("left-nowhere", path=NOWHERE, blocks=0, why="close() of an error page"),
    Request("left-post", "POST", NOWHERE, headers=OCTETS, body=LONG, blocks=0, why="neither body is read"),
    Request("no-file-wrapper", environ={"wsgi.file_wrapper": None}, why="wsgi.file_wrapper is optional"),
    Request("no-input-terminated", "POST", NOWHERE, headers=FORM_TYPE, body=b"a=1",
            environ={"wsgi.input_terminated": None}, why="wsgi.input_terminated is no part of PEP 3333"),
    Request("few-variables", environ=dict.fromkeys(
        ("HTTP_USER_AGENT", "HTTP_ACCEPT", "REMOTE_ADDR", "REMOTE_PORT", "REQUEST_URI", "RAW_URI", "GATEWAY_INTERFACE",
         "SERVER_SOFTWARE", "wsgi.file_wrapper", "wsgi.input_terminated")), why="what PEP 3333 asks for, no more"),
)
# fmt: on
