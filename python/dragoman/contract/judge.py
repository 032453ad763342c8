"""Pure judgements of single values, such as headers or an environ: a breach is a rule's id and its facts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from dragoman.contract.places import attribute
from dragoman.values import printable

__all__ = ["Breach", "Head", "bodiless", "judge_block", "judge_environ", "judge_exc_info", "judge_head", "shown"]

Breach: TypeAlias = tuple[str, Mapping[str, Any]]
"""A rule's id, and the facts that its texts are filled in with."""

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
STATUS = re.compile(r"[1-9][0-9][0-9] [^\x00-\x08\x0a-\x1f\x7f]*")
# RFC 9110, section 7.6.1, and what RFC 2616 had besides: these speak of one connection.
HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
REQUIRED = (
    "REQUEST_METHOD",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.input",
    "wsgi.errors",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
)
REQUIRED_SET = frozenset(REQUIRED)
SHOWN_CHARACTERS = 200
LENGTH_DIGITS = 19
# RFC 3875, section 4.1; the others that are a request's begin with HTTP_. What else is in capitals is somebody's own,
# or a variable of the operating system.
CGI_VARIABLES = frozenset(
    [
        "AUTH_TYPE",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "GATEWAY_INTERFACE",
        "PATH_INFO",
        "PATH_TRANSLATED",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_IDENT",
        "REMOTE_USER",
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "SERVER_SOFTWARE",
    ]
)
# Kinds of header names.
PLAIN, TYPE, LENGTH, HOP, CGI_STATUS = range(5)
KINDS: Mapping[str, int] = {
    "content-type": TYPE,
    "content-length": LENGTH,
    "status": CGI_STATUS,
    **dict.fromkeys(HOP_BY_HOP, HOP),
}
# Names and statuses that were found to be right before, so that each costs one look; bounded, should a program make
# them up.
NAMES: dict[str, int] = {}
STATUSES: dict[str, int] = {}
# By the keys of an environ that were found to be right before, in their order: the values of its CGI variables.
LAYOUTS: dict[tuple[object, ...], Callable[[Any], tuple[str, ...]]] = {}
KNOWN_AT_MOST = 1000

# What PEP 3333 promises of the streams, in "Input and Error Streams".
METHODS: Mapping[str, tuple[str, ...]] = {
    "wsgi.input": ("read", "readline", "readlines", "__iter__"),
    "wsgi.errors": ("write", "writelines", "flush"),
}
# Types of streams that have all of them.
STREAMS: set[type] = set()


def shown(value: object) -> str:
    """A short repr of anything, also of what has none."""
    try:
        text = repr(value)
    except (Exception, SystemExit):
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def of_value(value: object, **more: object) -> dict[str, Any]:
    return {"value": shown(value), "got_type": type(value).__name__, **more}


def bodiless(code: int) -> bool:
    """Whether a response of this status has no body (RFC 9110, sections 6.4.1, 15.3.5 and 15.4.5)."""
    return code < 200 or code in (204, 304)


class Head(NamedTuple):
    """What a status and headers come to, and what is wrong with them."""

    code: int
    declared: int | None
    has_content_type: bool
    breaches: Sequence[Breach]


def judge_head(status: object, headers: object) -> Head:
    """The first two arguments of start_response."""
    code = STATUSES.get(status) if type(status) is str else None
    if code is None or type(headers) is not list:
        return examined_head(status, headers)
    declared: int | None = None
    has_content_type = False
    # The common case, in which each name is known: one look at each item, none at a character of it.
    for item in headers:
        if type(item) is not tuple or len(item) != 2:
            return examined_head(status, headers)
        name, value = item
        kind = NAMES.get(name) if type(name) is str else None
        if kind is None or type(value) is not str or not value.isascii() or not value.isprintable():
            return examined_head(status, headers)
        if kind is PLAIN:
            continue
        if kind is TYPE and code not in (204, 304):
            has_content_type = True
        elif kind is LENGTH and declared is None and is_length(value):
            declared = int(value)
        else:
            return examined_head(status, headers)
    return Head(code, declared, has_content_type, ())


def examined_head(status: object, headers: object) -> Head:
    """The same, where something is new or wrong."""
    breaches = list(judge_status(status))
    text = status.partition(" ")[0] if isinstance(status, str) else ""
    code = int(text) if len(text) == 3 and text.isascii() and text.isdecimal() else 200
    declared: int | None = None
    has_content_type = False
    if type(headers) is not list:
        return Head(code, None, False, [*breaches, ("headers-not-list", of_value(headers))])
    for index, item in enumerate(headers):
        breaches += judge_item(item, index, has_length=declared is not None)
        if not is_pair(item) or not isinstance(item[0], str):
            continue
        lower, value = item[0].lower(), item[1]
        if lower == "content-length" and isinstance(value, str) and is_length(value):
            declared = int(value)
        elif lower == "content-type":
            has_content_type = True
            if code in (204, 304):
                breaches.append(("content-type-unwanted", {"status": code, "value": shown(value)}))
    return Head(code, declared, has_content_type, breaches)


def judge_status(status: object) -> Iterator[Breach]:
    """The first argument of start_response."""
    if not isinstance(status, str):
        yield "status-not-str", of_value(status)
    elif not STATUS.fullmatch(status) or is_wide(status):
        yield "status-malformed", of_value(status)
    elif status[0] == "1":
        yield "status-informational", of_value(status)
    elif len(STATUSES) < KNOWN_AT_MOST:
        STATUSES[str(status)] = int(status[:3])


def is_pair(item: object) -> TypeGuard[tuple[Any, Any]]:
    return isinstance(item, tuple) and len(item) == 2


def judge_item(item: object, index: int, *, has_length: bool) -> Iterator[Breach]:
    """One of the headers. `has_length`: a Content-Length came before it."""
    if not is_pair(item):
        yield "headers-item", of_value(item, index=index)
        return
    name, value = item
    if not isinstance(name, str):
        yield "header-name-type", of_value(name, index=index)
        return
    yield from judge_name(name)
    kind = NAMES.get(name)
    if not isinstance(value, str):
        yield "header-value-type", of_value(value, name=name)
    elif CONTROL.search(value):
        yield "header-injection", of_value(value, name=name)
    elif is_wide(value):
        yield "header-not-latin1", of_value(value, name=name)
    elif kind == LENGTH and (has_length or not is_length(value)):
        yield "header-duplicate-length", of_value(value)
    if kind == HOP:
        yield "header-hop-by-hop", of_value(value, name=name)
    elif kind == CGI_STATUS:
        yield "header-status-field", of_value(value)


def judge_name(name: str) -> Iterator[Breach]:
    if name in NAMES:
        return
    if CONTROL.search(name):
        yield "header-injection", of_value(name, name=printable(name))
    elif not TOKEN.fullmatch(name):
        yield "header-name-malformed", of_value(name, name=printable(name))
    elif len(NAMES) < KNOWN_AT_MOST or name.lower() in KINDS:
        NAMES[str(name)] = KINDS.get(name.lower(), PLAIN)


def is_length(value: str) -> bool:
    """Whether it is a Content-Length that somebody can mean: int() of a very long one has a price."""
    return len(value) <= LENGTH_DIGITS and value.isascii() and value.isdecimal()


def is_wide(text: str) -> bool:
    """Whether it has a character that is no byte."""
    return not text.isascii() and max(text) > "\xff"


def judge_exc_info(exc_info: object) -> Iterator[Breach]:
    """The third argument of start_response, where it is given."""
    is_triple = isinstance(exc_info, tuple) and len(exc_info) == 3 and isinstance(exc_info[1], BaseException)
    if exc_info is not None and not is_triple:
        yield "exc-info-not-triple", of_value(exc_info)


def judge_block(block: object, index: int) -> Iterator[Breach]:
    """One block of the body."""
    if not isinstance(block, bytes):
        yield "body-not-bytes", of_value(block, index=index)


def judge_environ(environ: object) -> Iterable[Breach]:
    """What the application is called with."""
    if type(environ) is not dict:
        return examined_environ(environ)
    names = tuple(environ)
    variables = LAYOUTS.get(names)
    if variables is None:
        return examined_environ(environ)
    script, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    try:
        is_common = (not script or script[-1] != "/" == script[0]) and path[0] == "/"
        is_common = is_common and "".join(variables(environ)).isascii()
        is_common = is_common and type(environ["wsgi.input"]) in STREAMS and type(environ["wsgi.errors"]) in STREAMS
        is_common = is_common and type(environ["wsgi.version"]) is tuple
    except (TypeError, LookupError):
        is_common = False
    return () if is_common else examined_environ(environ)


def examined_environ(environ: object) -> Iterator[Breach]:
    """The same, where its keys were not met before, or something is uncommon or wrong."""
    if type(environ) is not dict:
        yield "environ-replaced", of_value(environ)
        if not isinstance(environ, dict):
            return
    is_known = True
    for found in judge_keys(environ):
        is_known = False
        yield found
    yield from judge_values(environ)
    yield from judge_path(environ)
    variables = [name for name in environ if is_variable(name) or name == "wsgi.url_scheme"]
    if is_known and len(LAYOUTS) < KNOWN_AT_MOST and len(variables) > 1:
        LAYOUTS[tuple(environ)] = itemgetter(*variables)


def judge_keys(environ: Mapping[Any, object]) -> Iterator[Breach]:
    if not environ.keys() >= REQUIRED_SET:
        for name in REQUIRED:
            if name not in environ:
                yield "environ-key-removed", {"name": name}
    for name in environ:
        if not isinstance(name, str):
            yield "environ-key-type", of_value(name)
    for variable in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        name = f"HTTP_{variable}"
        if name in environ and variable not in environ:
            shape = f"the field is {variable}, which is not there"
            yield "environ-path-shape", {"name": name, "value": shown(environ[name]), "shape": shape}


def is_variable(name: object) -> bool:
    """Whether it is the name of a CGI variable."""
    return isinstance(name, str) and (name in CGI_VARIABLES or name.startswith("HTTP_"))


def judge_values(environ: Mapping[Any, object]) -> Iterator[Breach]:
    for name, value in list(environ.items()):
        if is_variable(name):
            if not isinstance(value, str):
                yield "environ-value-type", of_value(value, name=printable(name))
            elif is_wide(value):
                yield "environ-value-type", {"value": shown(value), "name": printable(name)}
    for name, wanted in misfits(environ):
        yield "environ-value-type", {"value": shown(environ[name]), "name": name, "wanted": wanted}


def misfits(environ: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Names of values that are not what they should be, and what that is."""
    if not isinstance(environ.get("wsgi.version", ()), tuple):
        yield "wsgi.version", "the tuple (1, 0)"
    if not isinstance(environ.get("wsgi.url_scheme", ""), str):
        yield "wsgi.url_scheme", "a str"
    for name, methods in METHODS.items():
        stream = environ.get(name)
        if any(attribute(stream, method) is None for method in methods):
            if name in environ:
                yield name, f"a stream with {', '.join(methods)}"
        elif len(STREAMS) < KNOWN_AT_MOST and all(hasattr(type(stream), method) for method in methods):
            STREAMS.add(type(stream))


def judge_path(environ: Mapping[Any, Any]) -> Iterator[Breach]:
    script, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    if not isinstance(script, str) or not isinstance(path, str):
        return
    # Where nothing is left of the path, its last slash may have moved: wsgiref.util.shift_path_info does so.
    is_traversed = len(script) > 1 and not path
    if script and (script[0] != "/" or (script[-1] == "/" and not is_traversed)):
        shape = "it has to be empty or begin with a slash, and not to end in one"
        yield "environ-path-shape", {"name": "SCRIPT_NAME", "value": shown(script), "shape": shape}
    if path and path[0] != "/":
        if path != "*" or environ.get("REQUEST_METHOD") != "OPTIONS":
            shape = "it has to be empty or begin with a slash"
            yield "environ-path-shape", {"name": "PATH_INFO", "value": shown(path), "shape": shape}
    elif not path and not script:
        shape = "one of SCRIPT_NAME and PATH_INFO has to be there, '/' for the root"
        yield "environ-path-shape", {"name": "PATH_INFO", "value": "''", "shape": shape}
