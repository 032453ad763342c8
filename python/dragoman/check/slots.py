"""Where a program holds WSGI applications: attributes, containers, closures, globals, and bound arguments."""

from __future__ import annotations

import dis
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from dragoman.check.tables_web import tables_of

__all__ = ["NOTHING_CALLED", "Called", "Slot", "is_application", "slots_of"]

# Lists in dictionaries in tuples: deeper than a table of routes.
NESTED = 4
# A container of more is no table of applications; and so many containers are looked at for one holder.
ITEMS_AT_MOST = 1000
CONTAINERS_AT_MOST = 2000
# PEP 3333 leaves the names open; these are the ones by which an application is known that nobody has called yet.
ENVIRON = re.compile(r"_*(?:wsgi_?)?env(?:iron(?:ment)?)?_*")
START_RESPONSE = re.compile(r"_*start_?resp(?:onse)?_*")
START = re.compile(r"_*start_*")
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Called:
    """What requests have shown: code that was called with an environ and a start_response.

    applications   it gave a body, or what became the answer as it was
    helpers        it gave something else, of which its caller has made the answer: no application
    """

    applications: frozenset[CodeType] = frozenset()
    helpers: frozenset[CodeType] = frozenset()
    # Whatever could be called so is taken for an application.
    is_guess: bool = False


NOTHING_CALLED = Called()


@dataclass(frozen=True)
class Slot:
    """A place that holds an application.

    prefix    where it is mounted, relative to its holder
    get, put  look at the place, and replace what is in it
    """

    application: Any
    prefix: str
    get: Callable[[], Any] = field(compare=False)
    put: Callable[[Any], object] = field(compare=False)


@dataclass(frozen=True)
class Place:
    """Anything that can be looked at and replaced."""

    get: Callable[[], Any]
    put: Callable[[Any], object]

    @classmethod
    def item(cls, container: Any, key: Any) -> Place:
        """Of a dictionary or a list."""
        return cls(functools.partial(container.__getitem__, key), functools.partial(container.__setitem__, key))

    @classmethod
    def attribute(cls, holder: Any, name: str) -> Place:
        return cls(functools.partial(getattr, holder, name), functools.partial(setattr, holder, name))


def is_application(value: object, called: Called = NOTHING_CALLED) -> bool:
    """Whether it is a WSGI application: it was called as one, or its arguments have the names that PEP 3333 uses."""
    code = code_of(value)
    if code in called.helpers or not accepts_call(value):
        return False
    return called.is_guess or code in called.applications or is_named_so(value)


def accepts_call(value: object) -> bool:
    """Whether it can be called with two arguments by position; a class only if its instances are bodies."""
    if not callable(value) or (isinstance(value, type) and not hasattr(value, "__iter__")):
        return False
    try:
        inspect.signature(value).bind(None, None)
    except Exception:  # no signature, or a proxy for what is not there now
        return False
    return True


def is_named_so(value: Any) -> bool:
    parameters = inspect.signature(value).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.kind in POSITIONAL]
    if len(needed) != 2:
        return False
    environ, start = needed
    return bool(START_RESPONSE.fullmatch(start) or (START.fullmatch(start) and ENVIRON.fullmatch(environ)))


def code_of(value: Any) -> CodeType | None:
    """The code that runs when it is called; None where that is not Python's."""
    for _ in range(NESTED):
        if not isinstance(value, functools.partial):
            break
        value = value.func
    if isinstance(value, MethodType):
        value = value.__func__
    if isinstance(value, type):
        value = vars(value).get("__init__")
    elif not isinstance(value, FunctionType):
        value = getattr(type(value), "__call__", None)  # noqa: B004 - the method is meant
    return value.__code__ if isinstance(value, FunctionType) else None


def slots_of(application: Any, called: Called = NOTHING_CALLED) -> Iterator[Slot]:
    """The places in which `application` holds others."""
    seen: set[int] = set()
    yield from web_mounts(application)
    for place in places_of(application):
        yield from slots_in(place, called, seen)
    if isinstance(application, (dict, list)):
        for key, place in items_in(None, application):
            yield from slots_in(place, called, seen, prefix_of(key))
    for function in functions_of(application):
        for place in global_places(function):
            for slot in slots_in(place, called, seen):
                # A function of a module may be called with environ and start_response to help; only its answers tell.
                is_sure = slot.application is not place.get() or not isinstance(slot.application, FunctionType)
                if is_sure or code_of(slot.application) in called.applications:
                    yield slot


def web_mounts(application: Any) -> Iterator[Slot]:
    """What is mounted in an application of `dragoman.web`: its table has it in values of its own."""
    tables = tables_of(application)
    mounts: list[Any] = [] if tables is None else tables.mounts
    for index, mounted in enumerate(mounts):

        def put(value: Any, index: int = index) -> None:
            mounts[index] = replace(mounts[index], app=value)

        yield Slot(mounted.app, mounted.prefix, lambda index=index: mounts[index].app, put)  # type: ignore[misc]


def slots_in(place: Place, called: Called, seen: set[int], prefix: str = "", depth: int = NESTED) -> Iterator[Slot]:
    """The applications in a place: it holds one, or a container with some that is not in `seen`."""
    try:
        value = place.get()
    except Exception:  # a cell or a slot that is empty
        return
    # What wraps something else may say that it is a dictionary.
    kind = type(value)
    if is_application(value, called):
        yield Slot(value, prefix, place.get, place.put)
        return
    is_container = issubclass(kind, (dict, list)) or kind is tuple
    if not is_container or depth == 0 or id(value) in seen or len(seen) >= CONTAINERS_AT_MOST:
        return
    if len(value) <= ITEMS_AT_MOST:
        seen.add(id(value))
        for key, one in items_in(place, value):
            yield from slots_in(one, called, seen, prefix + prefix_of(key), depth - 1)


def items_in(place: Place | None, container: Any) -> Iterator[tuple[object, Place]]:
    """The items of a container that is in `place`."""
    if isinstance(container, dict):
        yield from ((key, Place.item(container, key)) for key in list(container))
    elif isinstance(container, list):
        yield from ((None, Place.item(container, index)) for index in range(len(container)))
    elif place is not None:
        yield from ((None, of_tuple(place, index)) for index in range(len(container)))


def of_tuple(place: Place, index: int) -> Place:
    """An item of a tuple is replaced with the tuple."""

    def put(value: Any) -> None:
        items = place.get()
        place.put((*items[:index], value, *items[index + 1 :]))

    return Place(lambda: place.get()[index], put)


def prefix_of(key: object) -> str:
    """Where a dispatcher mounts what it has by this key."""
    return key.rstrip("/") if isinstance(key, str) and key.startswith("/") else ""


def places_of(application: Any) -> Iterator[Place]:
    """The places of `application` itself."""
    called = application
    if isinstance(called, functools.partial):
        partial = called
        yield Place(lambda: partial.args, lambda args: set_partial(partial, args, partial.keywords))
        yield Place(lambda: partial.keywords, lambda keywords: set_partial(partial, partial.args, keywords))
        called = called.func
    if isinstance(called, MethodType):
        # What calls it holds nothing but its object.
        yield from of_object(called.__self__)
        called = called.__func__
    if isinstance(called, FunctionType):
        for cell in called.__closure__ or ():
            yield Place.attribute(cell, "cell_contents")
        for name in ("__defaults__", "__kwdefaults__"):
            if getattr(called, name):
                yield Place.attribute(called, name)
    elif called is application:
        yield from of_object(called)


def set_partial(partial: functools.partial[Any], args: Any, keywords: Any) -> None:
    # What pickle does, in place: whoever has this object goes on having it.
    partial.__setstate__((partial.func, args, keywords, vars(partial)))  # type: ignore[attr-defined]


def of_object(holder: Any) -> Iterator[Place]:
    """Its attributes, and those that its class has for all instances; nothing of the object's own code runs."""
    try:
        own = vars(holder)
    except Exception:  # none, or a proxy for what is not there now
        own = {}
    if type(own) is dict:
        yield from (Place.item(own, name) for name in list(own))
    if isinstance(holder, type):
        return
    for kind in type(holder).__mro__:
        for name in slot_names(kind):
            yield Place(
                functools.partial(object.__getattribute__, holder, name),
                functools.partial(object.__setattr__, holder, name),
            )
        for name, value in list(vars(kind).items()):
            # What has __get__ is a method, or something else that depends on whom it is asked of.
            if name not in own and not hasattr(type(value), "__get__") and not isinstance(value, type):
                yield Place(functools.partial(vars(kind).__getitem__, name), functools.partial(setattr, kind, name))


def slot_names(kind: type) -> Iterator[str]:
    names = vars(kind).get("__slots__", ())
    for name in (names,) if isinstance(names, str) else tuple(names):
        is_private = name.startswith("__") and not name.endswith("__")
        yield f"_{kind.__name__.lstrip('_')}{name}" if is_private else name


def functions_of(application: Any) -> Iterator[FunctionType]:
    """The functions that run when it is called and are known without looking: itself, or methods with its arguments."""
    called = application.func if isinstance(application, functools.partial) else application
    if isinstance(called, FunctionType):
        yield called
        return
    if isinstance(called, MethodType):
        if isinstance(called.__func__, FunctionType):
            yield called.__func__
        called = called.__self__
    for kind in type(called).__mro__:
        for name, value in list(vars(kind).items()):
            if isinstance(value, FunctionType) and (name == "__call__" or has_start_response(value)):
                yield value


def has_start_response(function: FunctionType) -> bool:
    return any(map(START_RESPONSE.fullmatch, function.__code__.co_varnames[: function.__code__.co_argcount]))


def global_places(function: FunctionType) -> Iterator[Place]:
    """The globals that a function reads, and the attributes that it reads of modules."""
    for name, attribute in sorted(read_globally(function.__code__)):
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            if attribute and attribute in vars(value):
                yield Place.item(vars(value), attribute)
        elif value is not None and not is_said_by_itself(value, name):
            yield Place.item(function.__globals__, name)


def read_globally(code: CodeType) -> set[tuple[str, str]]:
    """Names of globals, each with the attribute that is read of it next, or ""; also of functions inside."""
    found = set()
    before = ""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            before = str(instruction.argval)
            found.add((before, ""))
        else:
            if before and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                found.add((before, str(instruction.argval)))
            before = ""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found |= read_globally(inner)
    return found


def is_said_by_itself(value: object, name: str) -> bool:
    """Whether a class names itself, as in ``super(Name, self)``, where nothing else may stand."""
    if not isinstance(value, type):
        return False
    codes = (one.__code__ for one in vars(value).values() if isinstance(one, FunctionType))
    return any((name, "") in read_globally(code) for code in codes)
