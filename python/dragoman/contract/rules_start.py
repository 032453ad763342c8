"""Rules about the calls of `start_response`, and the status."""

from dragoman.contract.rule import Effect, Party, Rule, code

__all__ = ["START_RULES"]

EITHER: Party = "application or middleware"

START_RULES: tuple[Rule, ...] = (
    Rule(
        "start-response-missing",
        EITHER,
        "always",
        Effect.FAIL,
        said=("The first block of the body, or its end, came before start_response was called.",),
        why="Without a status and headers there is no response to send.",
        clause='PEP 3333, "The start_response() Callable"',
        fix=("call start_response(status, headers) before the first block that is not empty is returned or yielded",),
        wrong=code("""
            def app(environ, start_response):
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "start-response-twice",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "start_response was called {after_end}, with {value}.",
            "start_response was called again without exc_info, this time with {value}.",
            "start_response was called again without exc_info.",
        ),
        why="Two statuses for one response are a mistake, unless an error page replaces what was meant to be sent.",
        clause='PEP 3333, "The start_response() Callable"',
        fix=(
            "call start_response before the application's iterable ends, not {after_end}",
            "call it once; from an except block, pass exc_info: start_response(status, headers, sys.exc_info())",
        ),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                start_response('404 Not Found', [('Content-Type', 'text/plain')])
                return [b'Not found']
        """),
        right=code("""
            import sys

            def app(environ, start_response):
                try:
                    start_response('200 OK', [('Content-Type', 'text/plain')])
                    raise LookupError('no such page')
                except LookupError:
                    start_response('404 Not Found', [('Content-Type', 'text/plain')], sys.exc_info())
                return [b'Not found']
        """),
    ),
    Rule(
        "start-response-late",
        EITHER,
        "always",
        Effect.RERAISE,
        said=(
            "start_response was called with exc_info after the head was sent: {exception!s}.",
            "start_response was called with exc_info after the head was sent.",
        ),
        why="The client has the first status already; the response can only be cut.",
        clause='PEP 3333, "Error Handling"',
        fix=(
            "let the exception that start_response raises leave the application, as PEP 3333 asks for; find out why it"
            " came so late",
        ),
        wrong=code("""
            import sys

            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                yield b'The answer is '
                try:
                    yield b'%d' % (42 / 0)
                except ArithmeticError:
                    failure = sys.exc_info()  # nothing is raised while it is handled
                start_response('500 Oops', [('Content-Type', 'text/plain')], failure)
                yield b'not known'
        """),
        right=code("""
            import sys

            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                try:
                    body = b'The answer is %d' % (42 / 0)  # what can fail comes before the first block
                except ArithmeticError:
                    start_response('500 Oops', [('Content-Type', 'text/plain')], sys.exc_info())
                    body = b'The answer is not known'
                yield body
        """),
    ),
    Rule(
        "start-response-raised-ignored",
        EITHER,
        "deep",
        Effect.LOG,
        said=(
            "start_response raised {exception!s}, and the response went on as if it had not.",
            "What start_response raised was ignored.",
        ),
        why="The head was refused: whatever follows is sent without it, or not at all.",
        clause='PEP 3333, "The start_response() Callable"',
        fix=("do not catch what start_response raises; mend the call",),
        wrong=code("""
            def app(environ, start_response):
                try:
                    start_response('200', [])
                except Exception:
                    pass
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "start-response-arguments",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "start_response was called with wrong arguments: {value}.",
            "start_response was called with the wrong number or kind of arguments.",
        ),
        why="The names of its parameters are not fixed, so that every layer may use its own. Dragoman, as most servers,"
        " lets exc_info pass by name.",
        clause='PEP 3333, "Specification Details"',
        fix=("call start_response(status, headers) or start_response(status, headers, exc_info), by position",),
        wrong=code("""
            def app(environ, start_response):
                start_response(status='200 OK', headers=[('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "status-not-str",
        EITHER,
        "always",
        Effect.RAISE,
        said=("The status is {got_type}, not str: {value}.", "The status is not a str."),
        why="The status is a native string: the code and its reason.",
        clause='PEP 3333, "The start_response() Callable"',
        fix=("pass a str such as '200 OK'",),
        wrong=code("""
            def app(environ, start_response):
                start_response(200, [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "status-malformed",
        EITHER,
        "always",
        Effect.RAISE,
        said=("The status is malformed: {value}.", "The status is malformed."),
        why="It becomes the first line of the response: three digits from 100 to 999, a blank, the reason.",
        clause='PEP 3333, "The start_response() Callable"; RFC 9112, section 4',
        fix=("write it as 'NNN Reason', such as '200 OK', without control characters",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "status-informational",
        EITHER,
        "always",
        Effect.RAISE,
        said=("The final status is an informational one: {value}.", "The final status is an informational one."),
        why="1xx responses come before the final one; after one of them the client goes on waiting.",
        clause="RFC 9110, section 15.2",
        fix=("answer with a status of 200 or above; 103 is sent by environ['wsgi.early_hints']",),
        wrong=code("""
            def app(environ, start_response):
                start_response('103 Early Hints', [('Link', '</a.css>; rel=preload')])
                return []
        """),
        right=code("""
            def app(environ, start_response):
                if early_hints := environ.get('wsgi.early_hints'):
                    early_hints([('Link', '</a.css>; rel=preload')])
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "exc-info-not-triple",
        EITHER,
        "always",
        Effect.RAISE,
        said=(
            "exc_info is not the triple of sys.exc_info(): {value}.",
            "exc_info is not the triple of sys.exc_info().",
        ),
        why="After the head was sent that very exception is raised again; it has to be one.",
        clause='PEP 3333, "Error Handling"',
        fix=("call start_response(status, headers, sys.exc_info()) inside of the except block",),
        wrong=code("""
            def app(environ, start_response):
                try:
                    body = b'%d' % (42 / 0)
                except ArithmeticError as error:
                    start_response('500 Oops', [('Content-Type', 'text/plain')], error)
                    body = b'Sorry'
                return [body]
        """),
        right=code("""
            import sys

            def app(environ, start_response):
                try:
                    body = b'%d' % (42 / 0)
                except ArithmeticError:
                    start_response('500 Oops', [('Content-Type', 'text/plain')], sys.exc_info())
                    body = b'Sorry'
                return [body]
        """),
    ),
    Rule(
        "exc-info-swallowed",
        EITHER,
        "deep",
        Effect.LOG,
        said=(
            "start_response raised the {exception!s} that it was given, and the response went on.",
            "What start_response raised again was caught, and the response went on.",
        ),
        why="It raises again because the head is sent: an error page behind it would be taken for a part of the body.",
        clause='PEP 3333, "Error Handling"',
        fix=("let what start_response raises leave the application",),
        wrong=code("""
            import sys

            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                yield b'The answer is '
                try:
                    yield b'%d' % (42 / 0)
                except ArithmeticError:
                    try:
                        start_response('500 Oops', [('Content-Type', 'text/plain')], sys.exc_info())
                    except ArithmeticError:
                        yield b'not known'
        """),
        right=code("""
            import sys

            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                try:
                    body = b'The answer is %d' % (42 / 0)
                except ArithmeticError:
                    start_response('500 Oops', [('Content-Type', 'text/plain')], sys.exc_info())
                    body = b'The answer is not known'
                yield body
        """),
    ),
)
