"""Rules about what layers owe each other: the head and the iterable on their way through middleware."""

from dragoman.contract.rule import Effect, Party, Rule, Side, code

__all__ = ["LAYER_RULES"]

EITHER: Party = "application or middleware"
CALLER: Party = "server or middleware"
MIDDLEWARE: Party = "middleware"
OUTSIDE: Side = "outside"
HEAD = 'PEP 3333, "The start_response() Callable"'
DETAILS = 'PEP 3333, "Specification Details"'
BLOCKS = 'PEP 3333, "Middleware Handling of Block Boundaries"'

LAYER_RULES: tuple[Rule, ...] = (
    Rule(
        "start-response-foreign",
        CALLER,
        "deep",
        Effect.LOG,
        said=(
            "The start_response that was handed in returned {got_type}, not write.",
            "The start_response that was handed in does not take exc_info: {exception!s}.",
            "The start_response that was handed in is not what it should be.",
        ),
        why="Applications may call it with exc_info, and may write through what it returns.",
        clause=HEAD,
        fix=(
            "take (status, headers, exc_info=None) and return what the outer start_response returns:"
            " return start_response(status, headers, exc_info)",
        ),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    def own(status, headers, exc_info=None):
                        start_response(status, headers, exc_info)
                    return app(environ, own)
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    def own(status, headers, exc_info=None):
                        return start_response(status, headers, exc_info)
                    return app(environ, own)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "headers-mutated",
        EITHER,
        "deep",
        Effect.LOG,
        said=(
            "The list of headers was changed after start_response had been called with it: {value}.",
            "The list of headers was changed after start_response had been called with it.",
        ),
        why="It belongs to the outer layers then: some have sent it, and some have not, so the change is there or not.",
        clause=HEAD,
        fix=(
            "change the list before it is passed on; for what is known later, keep the call back until the first block",
        ),
        wrong=code("""
            def app(environ, start_response):
                headers = [('Content-Type', 'text/plain')]
                start_response('200 OK', headers)
                headers.append(('X-Late', 'yes'))
                return [b'Hello']
        """),
        right=code("""
            def app(environ, start_response):
                headers = [('Content-Type', 'text/plain')]
                headers.append(('X-Late', 'no'))
                start_response('200 OK', headers)
                return [b'Hello']
        """),
    ),
    Rule(
        "yielded-through-write",
        MIDDLEWARE,
        "deep",
        Effect.LOG,
        said=("A block that the application gave was passed on by write().",),
        why="write() may not be used for what an application yields: it would not be asked for the next block in time.",
        clause='PEP 3333, "The write() Callable"',
        fix=("yield the application's blocks",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    write = start_response('200 OK', [('Content-Type', 'text/plain')])
                    blocks = app(environ, lambda status, headers, exc_info=None: write)
                    for block in blocks:
                        write(block)
                    blocks.close()
                    return []
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    return app(environ, start_response)
                return layer
        """),
    ),
    Rule(
        "close-missing",
        CALLER,
        "deep",
        Effect.LOG,
        said=("close() of the response was not called.",),
        why="Files, database connections and locks that the response holds stay open until a collection finds them.",
        clause=DETAILS,
        fix=(
            "call it in every case: try: yield from blocks; finally: getattr(blocks, 'close', int)()."
            " In a generator that was never started no finally runs: return an object with close()",
        ),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    for block in app(environ, start_response):
                        yield block.upper()
                return layer
        """),
        right=code("""
            class Upper:
                def __init__(self, blocks):
                    self.blocks, self.iterator = blocks, iter(blocks)

                def __iter__(self):
                    return self

                def __next__(self):
                    return next(self.iterator).upper()

                def close(self):
                    getattr(self.blocks, 'close', int)()

            def middleware(app):
                return lambda environ, start_response: Upper(app(environ, start_response))
        """),
        side=OUTSIDE,
    ),
    Rule(
        "close-twice",
        CALLER,
        "deep",
        Effect.LOG,
        said=("close() of the response was called again.",),
        why="What it frees is free already, or somebody else's by now.",
        clause=DETAILS,
        fix=("call it once, where the request ends",),
        wrong=code("""
            class Body:
                def __init__(self, blocks):
                    self.blocks = blocks

                def __iter__(self):
                    yield from self.blocks
                    self.close()

                def close(self):
                    self.blocks.close()

            def middleware(app):
                return lambda environ, start_response: Body(app(environ, start_response))
        """),
        right=code("""
            class Body:
                def __init__(self, blocks):
                    self.blocks = blocks

                def __iter__(self):
                    yield from self.blocks

                def close(self):
                    self.blocks.close()

            def middleware(app):
                return lambda environ, start_response: Body(app(environ, start_response))
        """),
        side=OUTSIDE,
    ),
    Rule(
        "body-iterated-twice",
        CALLER,
        "deep",
        Effect.LOG,
        said=("The response was iterated a second time.",),
        why="A generator gives nothing the second time, and a file goes on where it stood.",
        clause=DETAILS,
        fix=("iterate once, and keep what is needed",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    blocks = app(environ, start_response)
                    size = sum(len(block) for block in blocks)
                    return blocks
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    return app(environ, start_response)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "body-after-close",
        CALLER,
        "deep",
        Effect.LOG,
        said=("A block was asked for after close().",),
        why="What the blocks come from is closed.",
        clause=DETAILS,
        fix=("close it when the last block has been taken, not before",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    blocks = app(environ, start_response)
                    blocks.close()
                    return list(blocks)
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    return app(environ, start_response)
                return layer
        """),
        side=OUTSIDE,
    ),
    Rule(
        "chunk-held-back",
        MIDDLEWARE,
        "deep",
        Effect.LOG,
        said=(
            "{count} blocks of the application were taken for one block of the middleware.",
            "A block of the application was held back until it had given another one.",
        ),
        why="The client waits for the first while the application is busy with the next: a stream stands still.",
        clause=BLOCKS,
        fix=("give a block for each one that is taken; b'' when there is nothing to send yet",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    blocks = app(environ, start_response)
                    try:
                        yield b''.join(blocks)
                    finally:
                        blocks.close()
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    blocks = app(environ, start_response)
                    try:
                        yield from blocks
                    finally:
                        blocks.close()
                return layer
        """),
    ),
    Rule(
        "chunk-pulled-ahead",
        MIDDLEWARE,
        "deep",
        Effect.LOG,
        said=(
            "{count} blocks of the application were taken before the first one was asked for.",
            "Blocks of the application were taken before the first one was asked for.",
        ),
        why="The client waits for the whole body, which has to fit into memory; a stream never begins.",
        clause=BLOCKS,
        fix=("return an iterable that takes a block of the application's when it is asked for one",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    blocks = app(environ, start_response)
                    try:
                        return [b''.join(blocks)]
                    finally:
                        blocks.close()
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    return app(environ, start_response)
                return layer
        """),
    ),
    Rule(
        "block-swallowed",
        MIDDLEWARE,
        "deep",
        Effect.LOG,
        said=(
            "The application gave {count} blocks, and nothing of them was passed on.",
            "The application's blocks were not passed on.",
        ),
        why="The client gets a head that promises a body, and no body.",
        clause=BLOCKS,
        fix=("pass the blocks on, or answer with a status that has no body",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    blocks = app(environ, start_response)
                    try:
                        for block in blocks:
                            yield b''
                    finally:
                        blocks.close()
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    return app(environ, start_response)
                return layer
        """),
    ),
    Rule(
        "path-lost",
        MIDDLEWARE,
        "deep",
        Effect.LOG,
        said=(
            "{value} was taken from PATH_INFO and not added to SCRIPT_NAME: together they were {before}, now {after}.",
            "Something was taken from PATH_INFO and not added to SCRIPT_NAME.",
        ),
        why="The application builds its links from both: they lead elsewhere, or nowhere. A rewriter may want it.",
        clause='PEP 3333, "URL Reconstruction"',
        fix=("move what is taken from the front of PATH_INFO to the end of SCRIPT_NAME: wsgiref.util.shift_path_info",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    environ['PATH_INFO'] = environ['PATH_INFO'].removeprefix('/shop')
                    return app(environ, start_response)
                return layer
        """),
        right=code("""
            from wsgiref.util import shift_path_info

            def middleware(app):
                def layer(environ, start_response):
                    if environ['PATH_INFO'].startswith('/shop/'):
                        shift_path_info(environ)
                    return app(environ, start_response)
                return layer
        """),
        is_hint=True,
    ),
    Rule(
        "file-wrapper-lost",
        MIDDLEWARE,
        "deep",
        Effect.LOG,
        said=(
            "The application returned wsgi.file_wrapper's object, and the middleware {got_type}.",
            "A file was turned into blocks.",
        ),
        why="The server sends a file by itself, without a byte of it passing through Python; blocks it cannot.",
        clause='PEP 3333, "Optional Platform-Specific File Handling"',
        fix=("pass the object on as it is where nothing of the body is changed",),
        wrong=code("""
            def middleware(app):
                def layer(environ, start_response):
                    blocks = app(environ, start_response)
                    try:
                        yield from blocks
                    finally:
                        blocks.close()
                return layer
        """),
        right=code("""
            def middleware(app):
                def layer(environ, start_response):
                    return app(environ, start_response)
                return layer
        """),
        is_hint=True,
    ),
)
