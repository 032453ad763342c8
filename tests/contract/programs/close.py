"""Middleware that is wrong about the iterable it was given: close(), a second iteration, and the pace of the blocks."""

import contextlib
import itertools
import zlib

from tests.contract.programs import Request, broken_middleware
from tests.contract.programs._inner import Blocks, closing, closing_once, file_response, pages, plain, streaming

LEAVES_AT_ONCE = Request(blocks=0)
LEAVES_EARLY = Request(blocks=1)


@broken_middleware("close-missing", LEAVES_AT_ONCE, around=closing)
def generator_that_never_started(app):
    """The trap: close() of a generator that was never started skips its finally."""

    def filtered(environ, start_response):  # breach
        blocks = app(environ, start_response)

        def upper():
            try:
                for block in blocks:
                    yield block.upper()
            finally:
                blocks.close()

        return upper()

    return filtered


@broken_middleware("close-missing", around=closing)
def generator_expression(app):
    """One line that translates, and has no close()."""

    def upper(environ, start_response):  # breach
        return (block.upper() for block in app(environ, start_response))

    return upper


@broken_middleware("close-missing", around=closing)
def map_of_blocks(app):
    """map() has no close() either."""

    def upper(environ, start_response):  # breach
        return map(bytes.upper, app(environ, start_response))

    return upper


@broken_middleware("close-missing", LEAVES_EARLY, around=closing)
def yields_from_without_finally(app):
    """A loop that closes at its end, which is not reached when the client goes away."""

    def filtered(environ, start_response):  # breach
        blocks = app(environ, start_response)
        for block in blocks:
            yield bytes(block)  # breach
        blocks.close()

    return filtered


@broken_middleware("close-missing", around=closing_once)
def joins_and_forgets(app):
    """It takes the body whole, and has no use for the object any more."""

    def tagged(environ, start_response):  # breach
        body = b"".join(app(environ, start_response))
        return [body + b"<!-- tagged -->"]

    return tagged


@broken_middleware("close-missing", around=closing)
def error_page_instead(app):
    """A middleware that replaces pages of errors, and drops the page that it replaces."""

    def replaced(environ, start_response):  # breach
        app(environ, lambda status, headers, exc_info=None: lambda data: None)
        start_response("502 Bad Gateway", plain())
        return [b"sorry"]

    return replaced


@broken_middleware("close-missing", around=closing)
def wrapper_without_close(app):
    """A class around the iterable, complete but for close()."""

    class Counted:
        def __init__(self, blocks):
            self.blocks = iter(blocks)
            self.count = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.count += 1
            return next(self.blocks)

    def counted(environ, start_response):  # breach
        return Counted(app(environ, start_response))

    return counted


@broken_middleware("close-missing", around=closing)
def chained_behind_a_banner(app):
    """itertools.chain puts a banner in front, and has no close()."""

    def announced(environ, start_response):  # breach
        return itertools.chain([b"<!-- banner -->"], app(environ, start_response))

    return announced


@broken_middleware("close-missing", around=file_response)
def reads_a_file_and_forgets_it(app):
    """It signs what is sent, and a file is as good as any other iterable, but for its end."""

    def signed(environ, start_response):  # breach
        return [b"".join(app(environ, start_response)), b"signature"]

    return signed


@broken_middleware("close-twice", around=closing)
def closes_in_both_ways(app):
    """The loop closes, and the wrapper's close() closes again."""

    class Body:
        def __init__(self, blocks):
            self.blocks = blocks

        def __iter__(self):
            yield from self.blocks
            self.blocks.close()

        def close(self):
            self.blocks.close()  # breach

    return lambda environ, start_response: Body(app(environ, start_response))


@broken_middleware("close-twice", around=closing)
def closes_once_more_to_be_sure(app):
    """Two context managers, one around the other."""

    def careful(environ, start_response):
        blocks = app(environ, start_response)
        try:
            try:
                yield from blocks
            finally:
                blocks.close()
        finally:
            blocks.close()  # breach

    return careful


@broken_middleware("body-iterated-twice", around=pages, also=("chunk-pulled-ahead",))
def measures_first(app):
    """It adds up the sizes, and returns what it has used up."""

    def measured(environ, start_response):  # breach
        blocks = app(environ, start_response)
        environ["x.size"] = sum(len(block) for block in blocks)
        return blocks

    return measured


@broken_middleware("body-iterated-twice", around=pages, also=("chunk-held-back",))
def logs_the_body_and_iterates_again(app):
    """A debugging middleware that goes through the body once for the log, once for the client."""

    def logged(environ, start_response):
        blocks = app(environ, start_response)
        yield from blocks
        for block in blocks:  # breach
            print(block, file=environ["wsgi.errors"])

    return logged


@broken_middleware("body-after-close", around=closing, also=("close-twice",))
def closes_as_it_returns(app):
    """`with closing(...)` around the return: it is closed before the first block is asked for."""

    def scoped(environ, start_response):
        with contextlib.closing(app(environ, start_response)) as blocks:
            return blocks

    return scoped


@broken_middleware("body-after-close", around=closing, also=("block-swallowed",))
def takes_the_rest_after_close(app):
    """It closes after the first block and would like to have the others."""

    def hurried(environ, start_response):
        blocks = app(environ, start_response)
        iterator = iter(blocks)
        yield next(iterator)
        blocks.close()
        yield from iterator  # breach

    return hurried


@broken_middleware("chunk-held-back", around=streaming)
def compresses_without_empty_blocks(app):
    """gzip gives nothing for small blocks; the middleware waits until it does."""

    def compressed(environ, start_response):
        blocks = app(environ, start_response)
        packer = zlib.compressobj()
        try:
            for block in blocks:
                if data := packer.compress(block):
                    yield data
            yield packer.flush()  # breach
        finally:
            blocks.close()

    return compressed


@broken_middleware("chunk-held-back", around=streaming)
def batches_of_three(app):
    """Larger blocks are faster; the client waits for three."""

    def batched(environ, start_response):
        blocks = app(environ, start_response)
        try:
            while batch := list(itertools.islice(blocks, 3)):
                yield b"".join(batch)  # breach
        finally:
            blocks.close()

    return batched


@broken_middleware("chunk-held-back", around=streaming)
def looks_for_the_last_block(app):
    """It holds each block until it knows that it is not the last one."""

    def marked(environ, start_response):
        blocks = app(environ, start_response)
        try:
            held = next(blocks)
            for block in blocks:
                yield held  # breach
                held = block
            yield held + b"</html>"  # breach
        finally:
            blocks.close()

    return marked


@broken_middleware("chunk-held-back", around=streaming)
def skips_comments(app):
    """A filter that drops blocks, and gives nothing in their place."""

    def skipped(environ, start_response):
        blocks = app(environ, start_response)
        try:
            for block in blocks:
                if block.startswith(b"t"):
                    continue
                yield block  # breach
        finally:
            blocks.close()

    return skipped


@broken_middleware("chunk-pulled-ahead", around=closing)
def joins_the_body(app):
    """The gzip middleware that everybody writes first."""

    def compressed(environ, start_response):  # breach
        blocks = app(environ, start_response)
        try:
            return [zlib.compress(b"".join(blocks))]
        finally:
            blocks.close()

    return compressed


@broken_middleware("chunk-pulled-ahead", around=streaming)
def joins_the_body_and_counts_it(app):
    """It keeps the head until it knows the length."""

    def counted(environ, start_response):  # breach
        heads = []
        blocks = app(environ, lambda *head: heads.append(head) or (lambda data: None))
        body = b"".join(blocks)
        blocks.close()
        status, headers = heads[0]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return counted


@broken_middleware("chunk-pulled-ahead", around=streaming)
def lists_the_body(app):
    """A cache that needs it all, and a client that has to wait for it."""

    def cached(environ, start_response):  # breach
        blocks = app(environ, start_response)
        body = list(blocks)
        blocks.close()
        return body

    return cached


@broken_middleware("chunk-pulled-ahead", around=streaming)
def prefetches_two(app):
    """It keeps two blocks in store, before anybody has asked for one."""

    def prefetched(environ, start_response):  # breach
        blocks = app(environ, start_response)
        store = [next(blocks), next(blocks)]

        class Prefetched(Blocks):
            def close(self):
                blocks.close()

        return Prefetched(*store, *blocks)

    return prefetched


@broken_middleware("block-swallowed", around=streaming)
def gives_empty_blocks_only(app):
    """A translator that gives b"" for each block, and forgets to give what it has gathered."""

    def gathered(environ, start_response):  # breach
        blocks = app(environ, start_response)
        parts = []
        try:
            for block in blocks:
                parts.append(block)
                yield b""  # breach
        finally:
            blocks.close()

    return gathered


@broken_middleware("block-swallowed", around=streaming)
def compressor_without_flush(app):
    """The compressor still has everything when the stream ends."""

    def compressed(environ, start_response):  # breach
        blocks = app(environ, start_response)
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        try:
            for block in blocks:
                yield packer.compress(block)  # breach
        finally:
            blocks.close()

    return compressed
