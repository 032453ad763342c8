"""A checker changes nothing of what it watches: iterators, lengths, streams, lifetimes."""

import copy
import gc
import io
import pickle
import weakref
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest

from dragoman.contract import Checked, transcript
from dragoman.contract.remembered import LISTS_AT_MOST, Remembered
from tests.contract.driver import Outcome, Server, make_environ
from tests.contract.programs import Request

PLAIN = [("Content-Type", "text/plain")]


def begin(status: object, headers: object, exc_info: object = None) -> Callable[[bytes], None]:
    return lambda data: None


def served(app: Any, body: bytes = b"") -> tuple[bytes, dict[str, Any]]:
    environ = make_environ(Request(method="POST", body=body))
    response = app(environ, begin)
    # A loop, as servers have it: join() would ask for an iterator twice.
    sent = b""
    for block in response:
        sent += block
    getattr(response, "close", int)()
    return sent, environ


def checked(app: Any, **options: Any) -> tuple[Checked, list[Any]]:
    findings: list[Any] = []
    return Checked(app, findings.append, **options), findings


class BeginsInIter:
    """An application class whose instances make their iterator in `__iter__`, and are iterators themselves."""

    def __init__(self, environ: object, start_response: Callable[..., Any]) -> None:
        self.start_response = start_response

    def __iter__(self) -> "BeginsInIter":
        self.start_response("200 OK", list(PLAIN))
        self.blocks = iter([b"a", b"b"])
        return self

    def __next__(self) -> bytes:
        return next(self.blocks)


class IteratesElsewhere(BeginsInIter):
    def __iter__(self) -> Any:
        super().__iter__()
        return (block.upper() for block in self.blocks)


@pytest.mark.parametrize(("app", "body"), [(BeginsInIter, b"ab"), (IteratesElsewhere, b"AB")])
def test_iter_of_an_iterator_is_called(app: Any, body: bytes) -> None:
    watched, findings = checked(app)
    assert served(watched)[0] == body == served(app)[0]
    assert findings == []


def test_a_length_is_asked_for_once_and_may_raise() -> None:
    class Lazy(list[bytes]):
        asked = 0

        def __len__(self) -> int:
            Lazy.asked += 1
            raise RuntimeError("counting is dear")

    def app(environ: object, start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        return Lazy([b"a", b"b", b"c"])

    watched, findings = checked(app)
    environ = make_environ(Request())
    response = watched(environ, begin)
    assert list(iter(response)) == [b"a", b"b", b"c"] and findings == []


def test_a_length_that_nobody_can_mean_is_told_and_does_no_harm() -> None:
    def app(environ: object, start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [*PLAIN, ("Content-Length", "9" * 5000)])
        return [b"a"]

    watched, findings = checked(app)
    assert served(watched)[0] == b"a"
    assert [found.rule for found in findings] == ["header-duplicate-length"]


def test_a_receiver_of_findings_that_fails_fails_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def full(found: object) -> None:
        raise RuntimeError("the queue is full")

    def app(environ: object, start_response: Callable[..., Any]) -> Any:
        start_response("200", list(PLAIN))
        return [b"a"]

    assert served(Checked(app, full))[0] == b"a"
    assert "on_finding failed" in caplog.text


def test_an_application_that_holds_what_raises_when_it_is_asked_can_be_checked() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("working outside of a request")

        def __call__(self, *_: Any) -> Any:
            return []

    class App:
        proxy = Proxy()

        def __init__(self) -> None:
            self.request = Proxy()

        def __call__(self, environ: object, start_response: Callable[..., Any]) -> Any:
            start_response("200 OK", list(PLAIN))
            return [b"a"]

    assert served(checked(App())[0])[0] == b"a"
    checked(Proxy())


@pytest.mark.parametrize("layers", [1, 2])
def test_the_environ_is_as_it_was_and_lives_no_longer(layers: int) -> None:
    class Mark:
        pass

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ["wsgi.input"].read()
        start_response("200 OK", list(PLAIN))
        return iter([b"a"])

    for _ in range(layers):
        app = checked(app)[0]
    gc.collect()
    gc.disable()
    try:
        environ = make_environ(Request(method="POST", body=b"hello"))
        before = {name: type(value) for name, value in environ.items()}
        mark = Mark()
        alive, environ["x.mark"] = weakref.ref(mark), mark
        response: Iterator[bytes] = app(environ, begin)
        assert list(response) == [b"a"]
        del environ["x.mark"], response
        assert {name: type(value) for name, value in environ.items()} == before
        environ["x.mark"] = mark
        del environ, mark
        assert alive() is None
    finally:
        gc.enable()


def test_the_input_can_do_what_it_could() -> None:
    found: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        body = environ["wsgi.input"]
        found["next"] = next(body)
        found["lines"] = list(body)
        body.mine = 1
        found["mine"] = body.mine
        found["copy"] = type(copy.deepcopy(body))
        with body:
            pass
        start_response("200 OK", list(PLAIN))
        return [b"a"]

    class Body(io.BytesIO):
        mine = 0

        def __deepcopy__(self, memo: object) -> "Body":
            return Body()

    watched, findings = checked(app)
    environ = make_environ(Request(method="POST"))
    environ["wsgi.input"] = Body(b"1\n2\n3\n")
    list(watched(environ, begin))
    assert found == {"next": b"1\n", "lines": [b"2\n", b"3\n"], "mine": 1, "copy": Body}
    assert [one.rule for one in findings] == ["input-closed"]


def test_a_client_that_is_gone_in_a_loop_over_the_input_is_not_the_applications_fault() -> None:
    class Gone(io.BytesIO):
        def __next__(self) -> bytes:
            raise OSError("the client is gone")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        yield b"begun"
        yield from environ["wsgi.input"]

    watched, findings = checked(app)
    environ = make_environ(Request(method="POST"))
    environ["wsgi.input"] = Gone(b"never read")
    response = watched(environ, begin)
    with pytest.raises(OSError, match="gone"):
        list(response)
    response.close()
    assert findings == []


BLOCKS = [b"one", b"two"]


@pytest.mark.parametrize("whole", [BLOCKS, tuple(BLOCKS), []])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_list_or_tuple_is_handed_out_itself(whole: Any, layers: int) -> None:
    def app(environ: object, start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        return whole

    for _ in range(layers):
        app = checked(app)[0]
    assert app(make_environ(Request()), begin) is whole


def test_the_blocks_of_a_list_are_judged_though_nobody_iterates_over_it() -> None:
    def app(environ: object, start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
        return [b"one", "two"]

    watched, findings = checked(app)
    assert watched(make_environ(Request()), begin)[0] == b"one"
    assert [(found.rule, found.value) for found in findings] == [("body-not-bytes", "'two'")]


def test_each_response_of_a_class_has_its_own_close_or_none() -> None:
    class Empty:
        """As WebOb answers HEAD: with the close() of what it stands for, where that has one."""

        def __init__(self, close: Any) -> None:
            if close is not None:
                self.close = close

        def __iter__(self) -> Iterator[bytes]:
            return iter(())

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("204 No Content", [])
        return Empty(environ.get("x.close"))

    closed: list[int] = []
    watched, findings = checked(app)
    for close in (None, lambda: closed.append(1), None):
        response = watched(make_environ(Request(environ={"x.close": close})), begin)
        assert hasattr(response, "close") is (close is not None)
        list(response)
        getattr(response, "close", int)()
        del response
    assert closed == [1] and findings == []
    list(watched(make_environ(Request(environ={"x.close": int})), begin))
    assert [found.rule for found in findings] == ["close-missing"]


class OfAFunction:
    def __init__(self, file: Any) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter([self.file.read()])

    def close(self) -> None:
        self.file.close()


def test_what_a_function_makes_of_a_file_is_handed_out_itself() -> None:
    made: list[Any] = []

    def wrapper(file: Any, size: int = 8192) -> OfAFunction:
        made.append(OfAFunction(file))
        return made[-1]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        return environ["wsgi.file_wrapper"](io.BytesIO(b"a file"))

    watched, findings = checked(checked(app)[0])
    environ = make_environ(Request(environ={"wsgi.file_wrapper": wrapper}))
    response = watched(environ, begin)
    assert response is made[0]
    assert list(response) == [b"a file"]
    response.close()
    made.clear()
    del response
    assert findings == [] and environ["wsgi.file_wrapper"] is wrapper


@pytest.fixture
def _uncollected() -> Iterator[None]:
    """No collection comes in between."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize("layers", [1, 2])
def test_headers_that_come_again_are_remembered_and_others_are_let_go(
    layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = Remembered()
    monkeypatch.setattr(transcript, "HEADER_LISTS", remembered)
    constant = list(PLAIN)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", constant if environ["PATH_INFO"] == "/constant" else list(PLAIN))
        return [b"a"]

    watched, findings = checked(app)
    stack = watched if layers == 1 else checked(watched)[0]
    for path in ["/constant", *["/"] * 200, "/constant"]:
        Server(Request(path=path), Outcome()).run(stack)
    assert [found.rule for found in findings] == ["headers-list-reused"]
    assert len(remembered.lists) < 100


def test_lists_that_somebody_keeps_are_remembered_up_to_a_bound() -> None:
    remembered, kept = Remembered(), [list(PLAIN) for _ in range(3 * LISTS_AT_MOST)]
    for headers in kept:
        assert not remembered.was_given_before(headers, object())
        assert len(remembered.lists) <= LISTS_AT_MOST
    assert remembered.was_given_before(kept[-1], object())


@pytest.mark.parametrize("layers", [1, 2])
def test_an_environ_can_be_copied_deeply_pickled_and_referred_to_weakly(layers: int) -> None:
    """As who hands a request on to another thread, or keeps it for a report, does."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        seen = weakref.WeakKeyDictionary({environ["wsgi.input"]: b"body", environ["wsgi.errors"]: b"errors"})
        plain = {name: value for name, value in environ.items() if not name.startswith("wsgi.")}
        assert pickle.loads(pickle.dumps(plain))["PATH_INFO"] == environ["PATH_INFO"]
        assert copy.deepcopy(environ)["wsgi.input"].read() == environ["wsgi.input"].read()
        start_response("200 OK", list(PLAIN))
        return [seen[environ["wsgi.input"]], seen[environ["wsgi.errors"]]]

    stack, findings = checked(app)
    if layers == 2:
        stack, findings = checked(stack)
    assert served(stack, b"text")[0] == served(app, b"text")[0] == b"bodyerrors"
    assert findings == []


def test_a_pickled_environ_can_be_answered_elsewhere() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        return [pickle.dumps({name: value for name, value in environ.items() if not name.startswith("wsgi.")})]

    watched, findings = checked(app)
    plain = pickle.loads(served(watched)[0])
    assert list(watched(make_environ(Request()) | plain, begin)) != []
    assert findings == []


class ClosesOddly:
    """close() of these is called as it would be without a checker."""

    def __init__(self, close: Any) -> None:
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a"])


def test_close_is_called_as_the_outside_calls_it() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        return ClosesOddly(environ["x.close"])

    watched, findings = checked(app)
    asked: list[Any] = []
    response = watched(
        make_environ(Request(environ={"x.close": lambda *args, **named: asked.append((args, named))})), begin
    )
    list(response)
    response.close("because", of="this")
    assert asked == [(("because",), {"of": "this"})] and findings == []
    environ = {**make_environ(Request()), "x.close": None}
    response = watched(environ, begin)
    list(response)
    with pytest.raises(TypeError, match="NoneType"):
        response.close()
    assert [found.rule for found in findings] == ["close-raised"]


def test_a_middleware_that_hands_in_a_view_of_the_environ_is_the_one_to_blame() -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        return [b"a"]

    findings: list[Any] = []
    inner = Checked(app, findings.append)
    outer = Checked(lambda environ, start_response: inner(MappingProxyType(environ), start_response), findings.append)
    assert served(outer)[0] == b"a"
    assert [(found.rule, found.party) for found in findings] == [("environ-replaced", "middleware")]


def test_a_value_that_cannot_be_shown_is_reported_all_the_same() -> None:
    class Ends:
        def __repr__(self) -> str:
            raise SystemExit(5)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Type", Ends())])
        return [b"a"]

    watched, findings = checked(app)
    assert served(watched)[0] == b"a"
    assert [(found.rule, found.value) for found in findings] == [("header-value-type", "<Ends>")]


def test_what_a_test_client_leaves_open_no_layer_inside_has_left_open() -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

        def close(self) -> None:
            pass

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(PLAIN))
        return Body()

    inner, findings = checked(app)
    outer = Checked(lambda environ, start_response: inner(dict(environ), start_response), findings.append)
    environ = make_environ(Request(environ={"werkzeug.request": object()}))
    for block in outer(environ, begin):
        assert block == b"a"
    gc.collect()
    assert findings == []
