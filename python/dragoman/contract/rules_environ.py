"""Rules about the environ, the input and the error stream: what is handed in, and how it is used."""

from dragoman.contract.rule import Effect, Party, Rule, Side, code

__all__ = ["ENVIRON_RULES"]

EITHER: Party = "application or middleware"
CALLER: Party = "server or middleware"
OUTSIDE: Side = "outside"
VARIABLES = 'PEP 3333, "environ Variables"'
STREAMS = 'PEP 3333, "Input and Error Streams"'

ENVIRON_RULES: tuple[Rule, ...] = (
    Rule(
        "environ-replaced",
        CALLER,
        "deep",
        Effect.LOG,
        said=("The environ is {got_type}, not dict.", "The environ is not a dict."),
        why="Applications copy, change and compare it as the built-in type, which the PEP promises.",
        clause='PEP 3333, "Specification Details"',
        fix=("pass a dict: app(dict(environ), start_response)",),
        wrong=code("""
            from collections import UserDict

            def middleware(app):
                def layer(environ, start_response):
                    return app(UserDict(environ), start_response)
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    return app(dict(environ), start_response)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "environ-key-type",
        CALLER,
        "deep",
        Effect.LOG,
        said=("A key of the environ is {got_type}, not str: {value}.", "A key of the environ is not a str."),
        why="Keys are native strings; code that sorts or prints them meets another type unprepared.",
        clause=VARIABLES,
        fix=("name the key with a str, with a dot in it if it is your own: 'myproject.thing'",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ[b'USER'] = 'ada'
                    return app(environ, start_response)
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ['shop.user'] = 'ada'
                    return app(environ, start_response)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "environ-value-type",
        CALLER,
        "deep",
        Effect.LOG,
        said=(
            "environ['{name}'] is not {wanted}: {value}.",
            "environ['{name}'] is {got_type}, not str: {value}.",
            "environ['{name}'] holds a character above U+00FF: {value}.",
            "A value of the environ is not of its type.",
        ),
        why="Applications take them as promised: CGI variables are native strings whose characters stand for bytes,"
        " U+0000 to U+00FF; the values of wsgi.* have the types that are listed.",
        clause=f'{VARIABLES}; "Unicode Issues"',
        fix=(
            "set it to {wanted}",
            "keep objects under a name with a dot, such as 'shop.user'; turn text into one with"
            " text.encode('utf-8').decode('latin-1')",
        ),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ['REMOTE_USER'] = 'Łukasz'
                    return app(environ, start_response)
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ['REMOTE_USER'] = 'Łukasz'.encode('utf-8').decode('latin-1')
                    return app(environ, start_response)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "environ-key-removed",
        CALLER,
        "deep",
        Effect.LOG,
        said=("The environ has no {name}.", "A key that the environ has to have is missing."),
        why="Applications read it without asking whether it is there.",
        clause=VARIABLES,
        fix=("leave {name} in, or set it", "leave the required keys in"),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    del environ['wsgi.url_scheme']
                    return app(environ, start_response)
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ['wsgi.url_scheme'] = 'https'
                    return app(environ, start_response)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "environ-path-shape",
        CALLER,
        "deep",
        Effect.LOG,
        said=(
            "environ['{name}'] is {value}: {shape}.",
            "SCRIPT_NAME and PATH_INFO have not the form that they should.",
        ),
        why="Joined they are the path of the URL; every router takes them apart in this form.",
        clause=VARIABLES,
        fix=(
            "SCRIPT_NAME is '' or '/prefix', without a slash at its end; PATH_INFO is '' or begins with one;"
            " not both are empty; the fields Content-Type and Content-Length have no HTTP_ before their names",
        ),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ['SCRIPT_NAME'] = '/'
                    return app(environ, start_response)
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ['SCRIPT_NAME'] = ''
                    return app(environ, start_response)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "environ-after-request",
        EITHER,
        "deep",
        Effect.LOG,
        said=("{what} was used after the request had ended.", "Something of the request was used after its end."),
        why="The server may have given it to another request, or closed it.",
        clause='PEP 3333, "Specification Details"',
        fix=("read what is needed before the response ends, and hand the values on, not the environ",),
        wrong=code("""
            LATER = []

            def app(environ, start_response):
                LATER.append(environ['wsgi.input'].read)
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']

            def after():
                LATER.pop()()
        """),
        right=code("""
            LATER = []

            def app(environ, start_response):
                LATER.append(environ['wsgi.input'].read())
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']

            def after():
                LATER.pop()
        """),
    ),
    Rule(
        "input-closed",
        EITHER,
        "deep",
        Effect.LOG,
        said=("wsgi.input was closed.",),
        why="It is the server's, which may still have to read from it to find the next request.",
        clause=STREAMS,
        fix=("leave it open; the server knows when it is done with",),
        wrong=code("""
            from contextlib import closing

            def app(environ, start_response):
                with closing(environ['wsgi.input']) as body:
                    body.read()
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']
        """),
        right=code("""
            def app(environ, start_response):
                environ['wsgi.input'].read()
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']
        """),
    ),
    Rule(
        "input-past-end",
        EITHER,
        "deep",
        Effect.LOG,
        said=("wsgi.input was read {count} times after it had told its end.", "wsgi.input was read on after its end."),
        why="An empty answer is the end and stays so: a loop that waits for more never ends.",
        clause=STREAMS,
        fix=("stop at the first empty answer: while block := body.read(65536): ...",),
        wrong=code("""
            def app(environ, start_response):
                body, left = b'', 5000
                while len(body) < 100 and left:
                    body += environ['wsgi.input'].read(100)
                    left -= 1  # most such loops have no end
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [body]
        """),
        right=code("""
            def app(environ, start_response):
                body = b''
                while block := environ['wsgi.input'].read(100):
                    body += block
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [body]
        """),
    ),
    Rule(
        "input-read-arguments",
        EITHER,
        "deep",
        Effect.LOG,
        said=("wsgi.input.{name} was called with {value}.", "A method of wsgi.input was called with wrong arguments."),
        why="Servers differ in the names of the parameters; the PEP promises at most one size, by position.",
        clause=STREAMS,
        fix=("call {name}() or {name}(size), size an int", "pass at most one int, by position"),
        wrong=code("""
            def app(environ, start_response):
                body = environ['wsgi.input'].read(size=10)
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [body]
        """),
        right=code("""
            def app(environ, start_response):
                body = environ['wsgi.input'].read(10)
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [body]
        """),
    ),
    Rule(
        "input-attribute",
        EITHER,
        "deep",
        Effect.LOG,
        said=("wsgi.input.{name} was used, which no server has to have.", "wsgi.input was used beyond its promise."),
        why="Read, readline, readlines and iteration are all that may be used; under another server this fails.",
        clause=STREAMS,
        fix=(
            "read the body into a file of your own: tempfile.SpooledTemporaryFile, io.BytesIO; or ask first:"
            " hasattr(body, 'seek')",
        ),
        wrong=code("""
            def app(environ, start_response):
                environ['wsgi.input'].seek(0)
                body = environ['wsgi.input'].read()
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [body]
        """),
        right=code("""
            from io import BytesIO

            def app(environ, start_response):
                copy = BytesIO(environ['wsgi.input'].read())
                copy.seek(0)
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [copy.read()]
        """),
    ),
    Rule(
        "errors-not-text",
        EITHER,
        "deep",
        Effect.LOG,
        said=("wsgi.errors.{name} was given {got_type}, not str: {value}.", "wsgi.errors was not given a str."),
        why="It is a text stream: what is written to it becomes lines of a log.",
        clause=STREAMS,
        fix=("write text: environ['wsgi.errors'].write(data.decode('utf-8', 'replace'))",),
        wrong=code(r"""
            def app(environ, start_response):
                environ['wsgi.errors'].write(b'careful\n')
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']
        """),
        right=code(r"""
            def app(environ, start_response):
                environ['wsgi.errors'].write('careful\n')
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']
        """),
    ),
    Rule(
        "errors-closed",
        EITHER,
        "deep",
        Effect.LOG,
        said=("wsgi.errors was closed.",),
        why="It is the server's log, which all requests share.",
        clause=STREAMS,
        fix=("flush it, and leave it open",),
        wrong=code("""
            def app(environ, start_response):
                environ['wsgi.errors'].close()
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']
        """),
        right=code("""
            def app(environ, start_response):
                environ['wsgi.errors'].flush()
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Thanks']
        """),
    ),
)
