"""Rules about the application object, what it returns, and `write`."""

from dragoman.contract.rule import Effect, Party, Rule, code

__all__ = ["BODY_RULES"]

EITHER: Party = "application or middleware"

BODY_RULES: tuple[Rule, ...] = (
    Rule(
        "app-not-callable",
        "application",
        "load",
        Effect.REFUSE,
        said=("The application is {got_type}, which cannot be called.", "The application cannot be called."),
        why="The server calls it once for each request.",
        clause='PEP 3333, "The Application/Framework Side"',
        fix=("name the application object: MODULE:ATTRIBUTE, or a call that makes it: MODULE:create_app()",),
        wrong="dragoman shop:settings",
        right="dragoman shop:app",
    ),
    Rule(
        "app-signature",
        "application",
        "load",
        Effect.REFUSE,
        said=("The application does not take (environ, start_response).",),
        why="The server calls application(environ, start_response). A factory, a class whose instances are the"
        " applications, and an ASGI application are called otherwise.",
        clause='PEP 3333, "The Application/Framework Side"',
        fix=("name the application itself; a factory or class is called: MODULE:create_app()",),
        wrong="dragoman shop:create_app",
        right="dragoman 'shop:create_app()'",
    ),
    Rule(
        "app-is-coroutine",
        "application",
        "always",
        Effect.FAIL,
        said=("The application returned a coroutine: it is an async def.",),
        why="WSGI calls functions and waits for their answer; nobody runs a coroutine here.",
        clause='PEP 3333, "The Application/Framework Side"',
        fix=("write def in place of async def, or wrap an ASGI application with a2wsgi.ASGIMiddleware",),
        wrong=code("""
            async def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "app-shared-state",
        "application",
        "check",
        Effect.LOG,
        said=("The same request was answered otherwise: {value}.", "The same request was answered otherwise."),
        why="Something of one request is left to the next, or two at a time get into each other's way.",
        clause='PEP 3333, "Thread Support"',
        fix=("keep what belongs to a request in its environ, a local or a contextvar, not in a global or on self",),
        wrong=code("""
            CURRENT = {}

            def app(environ, start_response):
                CURRENT.update(environ)
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [CURRENT['PATH_INFO'].encode('latin-1')]
        """),
        right=code("""
            def app(environ, start_response):
                current = dict(environ)
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [current['PATH_INFO'].encode('latin-1')]
        """),
    ),
    Rule(
        "body-not-iterable",
        EITHER,
        "always",
        Effect.FAIL,
        said=(
            "The application returned {got_type}, which cannot be iterated over: {value}.",
            "The application returned something that cannot be iterated over.",
        ),
        why="The body is an iterable of blocks of bytes; an empty one is an empty list.",
        clause='PEP 3333, "Specification Details"',
        fix=(
            "if {factory} makes the application, serve what it returns: dragoman '{factory}()'",
            "return a list of bytes: return [b'...'], or return [] for no body",
        ),
        wrong=code("""
            def app(environ, start_response):
                start_response('204 No Content', [])
        """),
        right=code("""
            def app(environ, start_response):
                start_response('204 No Content', [])
                return []
        """),
    ),
    Rule(
        "body-is-str",
        EITHER,
        "always",
        Effect.FAIL,
        said=(
            "The application returned a str where WSGI needs an iterable of bytes: {value}.",
            "The application returned a str where WSGI needs an iterable of bytes.",
        ),
        why="HTTP carries bytes; only the application knows the encoding.",
        clause='PEP 3333, "Unicode Issues"',
        fix=("{list_fix}", "return [text.encode('utf-8')]"),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return 'Hello'
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return ['Hello'.encode('utf-8')]
        """),
    ),
    Rule(
        "body-is-bytes",
        EITHER,
        "deep",
        Effect.LOG,
        said=(
            "The application returned bytes where WSGI needs an iterable of bytes: {value}.",
            "The application returned bytes where WSGI needs an iterable of bytes.",
        ),
        why="To Python bytes are an iterable of numbers, and a number is no block.",
        clause='PEP 3333, "Buffering and Streaming"',
        fix=("return it in a list: return [body]",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return b'Hello'
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
    ),
    Rule(
        "body-not-bytes",
        EITHER,
        "always",
        Effect.FAIL,
        said=(
            "The response iterable gave {got_type} where WSGI needs bytes: {value} (item {index}).",
            "The response iterable gave {got_type} where WSGI needs bytes: {value}.",
            "The response iterable gave a block that is not bytes.",
        ),
        why="HTTP carries bytes; only the application knows the encoding.",
        clause='PEP 3333, "Unicode Issues"',
        fix=("{bytes_fix}", "give each block as bytes: text.encode('utf-8'), or bytes(block)"),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return ['Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']  # or ['Hello'.encode('utf-8')]
        """),
    ),
    Rule(
        "body-too-long",
        EITHER,
        "always",
        Effect.CUT,
        said=(
            "The body is longer than its Content-Length: {sent} bytes and not {declared}.",
            "The body is longer than its Content-Length of {declared} bytes.",
            "The body is longer than its Content-Length.",
        ),
        done="The rest was cut.",
        why="What comes after the declared length would be read as the next response.",
        clause='PEP 3333, "Handling the Content-Length Header"; RFC 9112, section 6.3',
        fix=("count the bytes, not the characters: str(len(body_bytes)); or leave Content-Length out",),
        wrong=code("""
            def app(environ, start_response):
                text = 'Grüße'
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(text)))])
                return [text.encode('utf-8')]
        """),
        right=code("""
            def app(environ, start_response):
                body = 'Grüße'.encode('utf-8')
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
                return [body]
        """),
    ),
    Rule(
        "body-too-short",
        EITHER,
        "always",
        Effect.CUT,
        said=(
            "The body ended after {sent} of the {declared} bytes of its Content-Length.",
            "The body is shorter than its Content-Length.",
        ),
        done="The connection was closed.",
        why="The client waits for the rest; only the end of the connection tells it that none will come.",
        clause='PEP 3333, "Handling the Content-Length Header"; RFC 9112, section 8',
        fix=("declare the length of what is sent, or leave Content-Length out",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '10')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '5')])
                return [b'Hello']
        """),
    ),
    Rule(
        "length-wrong",
        EITHER,
        "deep",
        Effect.LOG,
        said=(
            "len() of the iterable is {declared}, and it gave {count} blocks.",
            "len() of the iterable is not the number of its blocks.",
        ),
        why="Servers trust it: with a length of one the first block's size becomes the Content-Length.",
        clause='PEP 3333, "Handling the Content-Length Header"',
        fix=("let len() tell the number of blocks, or leave __len__ out",),
        wrong=code("""
            class Body(list):
                def __len__(self):
                    return 1

            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return Body([b'Hello, ', b'world'])
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello, ', b'world']
        """),
    ),
    Rule(
        "body-on-no-content",
        "application",
        "always",
        Effect.DROP_BODY,
        said=(
            "A response whose status has no body came with one: {value}.",
            "A response whose status has no body came with one.",
        ),
        done="The body was left out.",
        why="204 and 304 end with their head; bytes after it would be read as the next response.",
        clause="RFC 9110, sections 15.3.5 and 15.4.5",
        fix=("return [] with this status, or answer 200",),
        wrong=code("""
            def app(environ, start_response):
                start_response('204 No Content', [])
                return [b'deleted']
        """),
        right=code("""
            def app(environ, start_response):
                start_response('204 No Content', [])
                return []
        """),
    ),
    Rule(
        "body-on-head",
        EITHER,
        "deep",
        Effect.LOG,
        said=("HEAD was answered with a body: {value}.", "HEAD was answered with a body."),
        why="Nobody gets a body in answer to HEAD: what it cost to make is lost.",
        clause="RFC 9110, section 9.3.2",
        fix=("return [] for HEAD, with the headers of GET",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                is_head = environ['REQUEST_METHOD'] == 'HEAD'
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [] if is_head else [b'Hello']
        """),
        is_hint=True,
    ),
    Rule(
        "write-after-end",
        EITHER,
        "always",
        Effect.RAISE,
        said=("write() was called after the request had ended.",),
        why="The response is complete; the bytes may land in that of another request.",
        clause='PEP 3333, "The write() Callable"',
        fix=("call write() before the application returns, or yield the blocks",),
        wrong=code("""
            KEPT = []

            def app(environ, start_response):
                KEPT.append(start_response('200 OK', [('Content-Type', 'text/plain')]))
                return [b'Hello']

            def after():
                KEPT.pop()(b', world')
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello', b', world']
        """),
    ),
    Rule(
        "write-not-bytes",
        EITHER,
        "always",
        Effect.RAISE,
        said=("write() was given {got_type} where WSGI needs bytes: {value}.", "write() was not given bytes."),
        why="HTTP carries bytes; only the application knows the encoding.",
        clause='PEP 3333, "Unicode Issues"',
        fix=("{bytes_fix}", "encode the text: write(text.encode('utf-8'))"),
        wrong=code("""
            def app(environ, start_response):
                write = start_response('200 OK', [('Content-Type', 'text/plain')])
                write('Hello')
                return []
        """),
        right=code("""
            def app(environ, start_response):
                write = start_response('200 OK', [('Content-Type', 'text/plain')])
                write(b'Hello')
                return []
        """),
    ),
    Rule(
        "write-used",
        EITHER,
        "deep",
        Effect.LOG,
        said=("The body was sent by write().",),
        why="It is there for old code: it blocks, and middleware sees nothing of what it sends.",
        clause='PEP 3333, "The write() Callable"',
        fix=("return or yield the blocks",),
        wrong=code("""
            def app(environ, start_response):
                write = start_response('200 OK', [('Content-Type', 'text/plain')])
                write(b'Hello')
                return []
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return [b'Hello']
        """),
        is_hint=True,
    ),
    Rule(
        "write-in-iterable",
        EITHER,
        "deep",
        Effect.LOG,
        said=("write() was called while the iterable was being iterated.",),
        why="The order of the two is not defined: some servers send what is written behind what is yielded.",
        clause='PEP 3333, "The write() Callable"',
        fix=("yield the block, or write everything before the application returns",),
        wrong=code("""
            def app(environ, start_response):
                write = start_response('200 OK', [('Content-Type', 'text/plain')])
                yield b'Hello, '
                write(b'world')
        """),
        right=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                yield b'Hello, '
                yield b'world'
        """),
    ),
    Rule(
        "close-raised",
        EITHER,
        "always",
        Effect.LOG,
        said=("close() of the response raised {exception!s}.", "close() of the response raised."),
        why="The response is sent; what close() had still to free may be lost.",
        clause='PEP 3333, "Specification Details"',
        fix=("catch in close() what may go wrong in it",),
        wrong=code("""
            from pathlib import Path

            class Body(list):
                def close(self):
                    Path('upload.part').unlink()  # somebody else has removed it

            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return Body([b'Hello'])
        """),
        right=code("""
            from pathlib import Path

            class Body(list):
                def close(self):
                    Path('upload.part').unlink(missing_ok=True)

            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                return Body([b'Hello'])
        """),
    ),
    Rule(
        "exception-after-start",
        EITHER,
        "always",
        Effect.CUT,
        said=(
            "An exception came after the head was sent: {exception!s}.",
            "An exception came after the head was sent.",
        ),
        done="The connection was cut.",
        why="The client must not take the part that it has for the whole.",
        clause='PEP 3333, "Error Handling"',
        fix=("do what can fail before the first block is yielded",),
        wrong=code("""
            def app(environ, start_response):
                start_response('200 OK', [('Content-Type', 'text/plain')])
                yield b'The answer is '
                yield b'%d' % (42 / 0)
        """),
        right=code("""
            def app(environ, start_response):
                answer = b'%d' % (42 / 6)  # what can fail comes before the first block
                start_response('200 OK', [('Content-Type', 'text/plain')])
                yield b'The answer is '
                yield answer
        """),
    ),
)
