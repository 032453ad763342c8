"""Legal, if odd: what applications return, how they read, and how they are built."""

import io
import shutil

from tests.contract.programs import Request, legal
from tests.contract.programs._inner import Blocks, plain

UPLOAD = Request(method="POST", body=b"first line\nsecond line\n")


class Bytes(bytes):
    """Bytes of a library's own."""


@legal()
def bytes_subclass(environ, start_response):
    """A subclass of bytes is bytes."""
    start_response("200 OK", plain())
    return [Bytes(b"Hello")]


@legal()
def a_tuple(environ, start_response):
    """Any iterable of blocks."""
    start_response("200 OK", plain())
    return (b"Hello", b", world")


@legal()
def a_set(environ, start_response):
    """With one item, even the order is known."""
    start_response("200 OK", plain())
    return {b"Hello"}


@legal()
def dict_of_blocks(environ, start_response):
    """A dict is an iterable of its keys, and these are bytes."""
    start_response("200 OK", plain())
    return {b"Hello": 1}


@legal()
def old_sequence(environ, start_response):
    """__getitem__ without __iter__ is an iterable, too."""

    class Sequence:
        def __getitem__(self, index):
            return [b"Hello", b", world"][index]

    start_response("200 OK", plain())
    return Sequence()


@legal()
def a_file(environ, start_response):
    """An open file is an iterable of its lines, with a close()."""
    start_response("200 OK", plain())
    return io.BytesIO(b"first line\nsecond line\n")


@legal()
def iterator_of_iter(environ, start_response):
    """iter(callable, sentinel): blocks until there are none."""
    start_response("200 OK", plain())
    return iter(iter([b"Hello", b", world", b""]).__next__, b"")


@legal()
def own_iterator(environ, start_response):
    """An iterator with a close() of its own."""
    start_response("200 OK", plain(("Content-Length", "12")))
    return Blocks(b"Hello", b", ", b"world")


@legal()
def close_is_a_property(environ, start_response):
    """close is whatever gives something to call."""

    class Body:
        def __iter__(self):
            return iter([b"Hello"])

        @property
        def close(self):
            return lambda: None

    start_response("200 OK", plain())
    return Body()


@legal()
def close_of_a_slot(environ, start_response):
    """close() as an attribute of the instance."""
    body = Blocks(b"Hello")
    body.close = lambda: None
    start_response("200 OK", plain())
    return body


@legal()
def close_gives_a_value(environ, start_response):
    """What close() returns is nobody's business."""

    class Body(Blocks):
        def close(self):
            return 1

    start_response("200 OK", plain())
    return Body(b"Hello")


@legal()
def length_of_blocks(environ, start_response):
    """len() is the number of blocks."""

    class Body:
        def __iter__(self):
            return iter([b"Hello", b", world"])

        def __len__(self):
            return 2

    start_response("200 OK", plain())
    return Body()


@legal()
def empty_block_first(environ, start_response):
    """An empty block, so that the head can be decided."""
    start_response("200 OK", plain())
    yield b""
    yield b"Hello"
    yield b""


@legal()
def empty_blocks_behind_the_length(environ, start_response):
    """Behind the declared length there may be empty blocks: clean-up is done there."""
    start_response("200 OK", plain(("Content-Length", "5")))
    yield b"Hello"
    yield b""
    yield b""


@legal()
def file_wrapper(environ, start_response):
    """The server's own way to send a file."""
    start_response("200 OK", plain())
    return environ["wsgi.file_wrapper"](io.BytesIO(b"Hello"))


@legal(Request(blocks=0), Request(blocks=1))
def client_leaves_early(environ, start_response):
    """Less than was declared, because nobody asked for the rest."""
    start_response("200 OK", plain(("Content-Length", "12")))
    try:
        yield b"Hello"
        yield b", world"
    finally:
        environ["x.closed"] = True


@legal()
def writes_then_yields(environ, start_response):
    """write() before the return, blocks after it."""
    write = start_response("200 OK", plain(("Content-Length", "12")))
    write(b"Hello")
    return [b", world"]


@legal()
def writes_nothing(environ, start_response):
    """write(b"") sends nothing, and is allowed."""
    write = start_response("200 OK", plain())
    write(b"")
    return [b"Hello"]


@legal(UPLOAD)
def reads_without_argument(environ, start_response):
    """read() ends at the end of the body: PEP 3333 has the server simulate it."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", plain())
    return [body]


@legal(UPLOAD)
def reads_with_minus_one(environ, start_response):
    """-1 says: all of it."""
    body = environ["wsgi.input"].read(-1)
    start_response("200 OK", plain())
    return [body]


@legal(UPLOAD)
def reads_lines_with_a_limit(environ, start_response):
    """readline(size) is in PEP 3333, and cgi.FieldStorage has always used it."""
    stream = environ["wsgi.input"]
    body = stream.readline(4) + stream.readline() + b"".join(stream.readlines(100))
    start_response("200 OK", plain())
    return [body]


@legal(UPLOAD)
def iterates_over_its_input(environ, start_response):
    """The input is an iterable of lines."""
    start_response("200 OK", plain())
    return list(environ["wsgi.input"])


@legal(UPLOAD)
def copies_its_input(environ, start_response):
    """copyfileobj reads until there is nothing left."""
    file = io.BytesIO()
    shutil.copyfileobj(environ["wsgi.input"], file, 4)
    start_response("200 OK", plain())
    return [file.getvalue()]


@legal(UPLOAD)
def does_not_read_its_input(environ, start_response):
    """What it leaves unread is the server's to drain."""
    start_response("413 Content Too Large", plain())
    return [b"too large"]


@legal(UPLOAD)
def reads_while_it_yields(environ, start_response):
    """It answers as it reads."""
    start_response("200 OK", plain())
    while block := environ["wsgi.input"].read(5):
        yield block


@legal(UPLOAD)
def asks_whether_it_can_seek(environ, start_response):
    """hasattr is a question, not a use."""
    is_seekable = hasattr(environ["wsgi.input"], "seek")
    start_response("200 OK", plain(("X-Seekable", str(is_seekable))))
    return [b"Hello"]


@legal(UPLOAD)
def reads_into_a_buffer_if_it_can(environ, start_response):
    """It asks for what PEP 3333 does not promise, as werkzeug's LimitedStream does, and could do without."""
    stream, buffer = environ["wsgi.input"], bytearray(10)
    if hasattr(stream, "readinto"):
        stream.readinto(buffer)
    else:
        buffer[:] = stream.read(10)
    start_response("200 OK", plain())
    return [bytes(buffer)]


@legal(UPLOAD)
def seeks_if_it_can(environ, start_response):
    """The same by getattr."""
    stream = environ["wsgi.input"]
    body = stream.read()
    if seek := getattr(stream, "seek", None):
        seek(0)
    start_response("200 OK", plain())
    return [body]


@legal()
def prints_to_errors(environ, start_response):
    """print, write, writelines and flush."""
    errors = environ["wsgi.errors"]
    print("careful:", b"bytes that were printed are text", file=errors)
    errors.write("größer\n")
    errors.writelines(iter(["one\n", "two\n"]))
    errors.flush()
    start_response("200 OK", plain())
    return [b"Hello"]


@legal()
def empties_its_environ(environ, start_response):
    """The dict is the application's to change in any way it desires."""
    start_response("200 OK", plain())
    environ.clear()
    return [b"Hello"]


@legal(Request(method="HEAD"))
def empties_its_environ_first(environ, start_response):
    """The request was HEAD, even if nothing in the environ says so any more."""
    environ.clear()
    start_response("200 OK", plain(("Content-Length", "5")))
    return []


@legal()
def keeps_objects_in_its_environ(environ, start_response):
    """Below a name of its own, of any type; a CGI variable too, when it is a str."""
    environ.update({"shop.user": object(), "shop": 5, "REMOTE_USER": "ada"})
    start_response("200 OK", plain())
    return [b"Hello"]


@legal()
class Application:
    """An instance with __call__."""

    def __call__(self, environ, start_response):
        start_response("200 OK", plain())
        return [b"Hello"]


@legal()
class Response:
    """The class is the application, its instances are the responses: the second example of PEP 3333."""

    def __init__(self, environ, start_response):
        self.environ = environ
        self.start = start_response

    def __iter__(self):
        self.start("200 OK", plain())
        yield b"Hello"


@legal()
class ItsOwnIterator:
    """A response object that is its own iterator, and counts its blocks."""

    def __init__(self, environ, start_response):
        start_response("200 OK", plain())
        self.left = 2

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"Hello"

    def close(self):
        self.left = 0


@legal(Request(path="/first"), Request(path="/second"), makes=True)
def one_body_for_all():
    """A constant list as body: a list can be iterated as often as one likes."""
    body = [b"Hello"]

    def app(environ, start_response):
        start_response("200 OK", plain())
        return body

    return app
