"""Rules about the headers that `start_response` is given."""

from dragoman.contract.rule import Effect, Party, Rule, code

__all__ = ["HEADER_RULES"]

EITHER: Party = "application or middleware"

HEADER_RULES: tuple[Rule, ...] = (
    Rule(
        "headers-not-list",
        EITHER,
        "always",
        Effect.RAISE,
        said=("The headers are {got_type}, not list: {value}.", "The headers are not a list."),
        why="Middleware may change the headers in place, and a field may be there twice: that takes a real list.",
        clause='PEP 3333, "The start_response() Callable"',
        fix=("pass a list of (name, value) tuples; of a dict: list(headers.items())",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', {'Content-Type': 'text/plain'})
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "headers-item",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "Item {index} of the headers is not a tuple of name and value: {value}.",
            "An item of the headers is not a tuple of name and value: {value}.",
            "An item of the headers is not a tuple of name and value.",
        ),
        why="Every layer takes the items apart as (name, value).",
        clause='PEP 3333, "The start_response() Callable"',
        fix=("make each item a tuple: ('Content-Type', 'text/plain')",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', ['Content-Type: text/plain'])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "headers-list-reused",
        EITHER,
        "deep",
        Effect.LOG,
        said=("The list of headers is the one that another request was answered with.",),
        why="Every layer may change it in place, so that what was meant for one response is in the next one, too.",
        clause='PEP 3333, "The start_response() Callable"',
        fix=("make a list for each request: start_response(status, list(HEADERS))",),
        wrong=code("""
            HEADERS = [('Content-Type', 'text/plain')]

            def app(environ, start_response):
                start_response('200 OK', HEADERS)
                return [b'Hello']
        """),
        right=code("""
            HEADERS = [('Content-Type', 'text/plain')]

            def app(environ, start_response):
                start_response('200 OK', list(HEADERS))
                return [b'Hello']
        """),
    ),
    Rule(
        "header-name-type",
        EITHER,
        "always",
        Effect.RAISE,
        said=("A header name is {got_type}, not str: {value}.", "A header name is not a str."),
        why="Names and values are native strings, whose characters stand for bytes.",
        clause='PEP 3333, "A Note on String Types"',
        fix=("pass the name as str",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [(b'Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "header-value-type",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "The value of {name} is {got_type}, not str: {value}.",
            "A header value is {got_type}, not str: {value}.",
            "A header value is not a str.",
        ),
        why="Names and values are native strings, whose characters stand for bytes.",
        clause='PEP 3333, "A Note on String Types"',
        fix=("pass ({name!r}, str(...))", "pass the value as str: str(length) for a number"),
        wrong=code("""
            def app(environ, start_response):
                body = b'Hello'
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', len(body))])
                return [body]
        """),
        right=code("""
            def app(environ, start_response):
                body = b'Hello'
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
                return [body]
        """),
    ),
    Rule(
        "header-name-malformed",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "The header name '{name}' is malformed.",
            "A header name is malformed: {value}.",
            "A header name is malformed.",
        ),
        why="A name is a token: letters, digits and a few signs. A colon or a blank would shift its end.",
        clause="RFC 9110, sections 5.1 and 5.6.2",
        fix=("pass the name alone, without colon and blanks",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type:', 'text/plain')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "header-injection",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "The header {name} holds a line end or another control character: {value}.",
            "A header holds a line end or another control character: {value}.",
            "A header holds a line end or another control character.",
        ),
        why="A line end inside of a value begins a header, or a response, that somebody else has written.",
        clause='PEP 3333, "The start_response() Callable"; RFC 9110, section 5.5',
        fix=("do not build headers from unchecked input; quote it: urllib.parse.quote(target, safe='/:?&=')",),
        wrong=code("""
            from urllib.parse import unquote

            def app(environ, start_response):
                target = unquote(environ['QUERY_STRING'])  # /cart%0D%0ASet-Cookie:%20admin=1
                start_response('302 Found', [('Location', target)])
                return []
        """),
        right=code("""
            from urllib.parse import quote, unquote

            def app(environ, start_response):
                target = unquote(environ['QUERY_STRING'])
                start_response('302 Found', [('Location', quote(target, safe='/'))])
                return []
        """),
    ),
    Rule(
        "header-not-latin1",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "The header {name} holds a character above U+00FF: {value}.",
            "A header holds a character above U+00FF: {value}.",
            "A header holds a character above U+00FF.",
        ),
        why="Each character stands for one byte, and only the application knows how its text is encoded.",
        clause='PEP 3333, "Unicode Issues"',
        fix=("encode it as the field wants; for a file name: filename*=UTF-8'' and urllib.parse.quote(name)",),
        wrong=code("""
            def app(environ, start_response):
                disposition = 'attachment; filename="лист.txt"'
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Disposition', disposition)])
                return [b'Hello']
        """),
        right=code("""
            from urllib.parse import quote

            def app(environ, start_response):
                disposition = "attachment; filename*=UTF-8''" + quote('лист.txt')
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Disposition', disposition)])
                return [b'Hello']
        """),
    ),
    Rule(
        "header-hop-by-hop",
        EITHER,
        "always",
        Effect.DROP_FIELD,
        said=(
            "The header {name} is the server's to set.",
            "A header is there that is the server's to set.",
        ),
        done="It was left out.",
        why="It speaks of this connection, and that is the server's: a second opinion would break the framing.",
        clause='PEP 3333, "Other HTTP Features"; RFC 9110, section 7.6.1',
        fix=("leave {name} out", "leave the header out"),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Transfer-Encoding', 'chunked')])
                yield b'Hello, '
                yield b'world'
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                yield b'Hello, '  # without a Content-Length the server sends chunks by itself
                yield b'world'
        """),
    ),
    Rule(
        "header-duplicate-length",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "Content-Length is there twice, or is not a whole number: {value}.",
            "Content-Length is there twice, or is not a whole number.",
        ),
        why="It says where the response ends; read differently by two parties, it splits or joins responses.",
        clause="RFC 9110, section 8.6",
        fix=("give Content-Length once, as decimal digits, or leave it out",),
        wrong=code("""
            def app(environ, start_response):
                headers = [('Content-Type', 'text/plain'), ('Content-Length', '0')]
                headers.append(('Content-Length', '5'))
                start_response('200 OK', headers)
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                headers = [('Content-Type', 'text/plain'), ('Content-Length', '0')]
                headers = [item for item in headers if item[0].lower() != 'content-length']
                headers.append(('Content-Length', '5'))
                start_response('200 OK', headers)
                return [b'Hello']
        """),
    ),
    Rule(
        "header-status-field",
        EITHER,
        "deep",
        Effect.LOG,
        said=("There is a header named Status: {value}.", "There is a header named Status."),
        why="CGI gateways take it for the status itself, and override the one that was given.",
        clause="RFC 3875, section 6.3.3",
        fix=("give the status to start_response alone; name the field otherwise: X-Status",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Status', '404 Not Found')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('404 Not Found', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        is_hint=True,
    ),
    Rule(
        "content-type-missing",
        EITHER,
        "deep",
        Effect.LOG,
        said=("A body was sent without a Content-Type.",),
        why="It should have one: the client has to guess what it is, and some guess HTML in what a user has uploaded.",
        clause="RFC 9110, section 8.3",
        fix=("add ('Content-Type', 'text/plain; charset=utf-8'), or what it is",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        is_hint=True,
    ),
    Rule(
        "content-type-unwanted",
        EITHER,
        "deep",
        Effect.LOG,
        said=("A response of status {status} has a Content-Type: {value}.", "A response without a body has a type."),
        why="There is no body that it could be the type of; a cache would change that of the stored one.",
        clause="RFC 9110, sections 15.3.5 and 15.4.5",
        fix=("leave Content-Type out with 204 and 304",),
        wrong=code("""
            def app(environ, start_response):
                start_response('204 No Content', [('Content-Type', 'text/plain')])
                return []
        """),
        right=code("""
            def app(environ, start_response):
                start_response('204 No Content', [])
                return []
        """),
        is_hint=True,
    ),
)
