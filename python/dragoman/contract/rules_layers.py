"""Rules about what layers owe each other: the head and the iterable on their way through middleware."""

from dragoman.contract.rule import Effect, Party, Rule, Side

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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        def own(status, headers, exc_info=None):\n            start_response(status, headers, exc_info)\n"
        "        return app(environ, own)\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        def own(status, headers, exc_info=None):\n"
        "            return start_response(status, headers, exc_info)\n        return app(environ, own)\n"
        "    return layer",
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
        wrong="def app(environ, start_response):\n    headers = [('Content-Type', 'text/plain')]\n"
        "    start_response('200 OK', headers)\n    headers.append(('X-Late', 'yes'))\n    return [b'Hello']",
        right="def app(environ, start_response):\n    headers = [('Content-Type', 'text/plain')]\n"
        "    headers.append(('X-Late', 'no'))\n    start_response('200 OK', headers)\n    return [b'Hello']",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        write = start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "        blocks = app(environ, lambda status, headers, exc_info=None: write)\n        try:\n"
        "            for block in blocks:\n                write(block)\n        finally:\n"
        "            getattr(blocks, 'close', int)()\n        return []\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        return app(environ, start_response)\n    return layer",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        for block in app(environ, start_response):\n            yield block.upper()\n    return layer",
        right="def middleware(app):\n    class Upper:\n        def __init__(self, blocks):\n"
        "            self.blocks, self.iterator = blocks, iter(blocks)\n\n        def __iter__(self):\n"
        "            return self\n\n        def __next__(self):\n            return next(self.iterator).upper()\n\n"
        "        def close(self):\n            getattr(self.blocks, 'close', int)()\n\n"
        "    return lambda environ, start_response: Upper(app(environ, start_response))",
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
        wrong="def middleware(app):\n    class Twice:\n        def __init__(self, blocks):\n"
        "            self.blocks = blocks\n\n        def __iter__(self):\n            return iter(self.blocks)\n\n"
        "        def close(self):\n            self.blocks.close()\n            self.blocks.close()\n\n"
        "    return lambda environ, start_response: Twice(app(environ, start_response))",
        right="def middleware(app):\n    class Once:\n        def __init__(self, blocks):\n"
        "            self.blocks = blocks\n\n        def __iter__(self):\n            return iter(self.blocks)\n\n"
        "        def close(self):\n            self.blocks.close()\n\n"
        "    return lambda environ, start_response: Once(app(environ, start_response))",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        blocks = app(environ, start_response)\n        size = sum(len(block) for block in blocks)\n"
        "        return blocks\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        return app(environ, start_response)\n    return layer",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        blocks = app(environ, start_response)\n        blocks.close()\n        return list(blocks)\n"
        "    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        return app(environ, start_response)\n    return layer",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        blocks = app(environ, start_response)\n        try:\n            yield b''.join(blocks)\n"
        "        finally:\n            blocks.close()\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        blocks = app(environ, start_response)\n        try:\n            yield from blocks\n"
        "        finally:\n            blocks.close()\n    return layer",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        blocks = app(environ, start_response)\n        try:\n            return [b''.join(blocks)]\n"
        "        finally:\n            blocks.close()\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        return app(environ, start_response)\n    return layer",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        blocks = app(environ, start_response)\n        try:\n            for block in blocks:\n"
        "                yield b''\n        finally:\n            blocks.close()\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        return app(environ, start_response)\n    return layer",
    ),
    Rule(
        "path-lost",
        MIDDLEWARE,
        "deep",
        Effect.LOG,
        said=(
            "SCRIPT_NAME and PATH_INFO together were {before} before the middleware, and are {after} behind it.",
            "SCRIPT_NAME and PATH_INFO together are not any more what they were.",
        ),
        why="The application builds its links from both: they lead to other places, or to none.",
        clause='PEP 3333, "URL Reconstruction"',
        fix=("move what is taken from the front of PATH_INFO to the end of SCRIPT_NAME: wsgiref.util.shift_path_info",),
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        environ['PATH_INFO'] = environ['PATH_INFO'].removeprefix('/shop')\n"
        "        return app(environ, start_response)\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        if environ['PATH_INFO'].startswith('/shop'):\n            shift_path_info(environ)\n"
        "        return app(environ, start_response)\n    return layer",
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
        wrong="def middleware(app):\n    def layer(environ, start_response):\n"
        "        blocks = app(environ, start_response)\n        try:\n            yield from blocks\n"
        "        finally:\n            blocks.close()\n    return layer",
        right="def middleware(app):\n    def layer(environ, start_response):\n"
        "        return app(environ, start_response)\n    return layer",
        is_hint=True,
    ),
)
