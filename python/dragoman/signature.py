"""Judges, without calling it, whether an object can be a WSGI application, and whether the process can serve it."""

import inspect
import sys
from types import ModuleType, WrapperDescriptorType

__all__ = ["described", "patched_by", "problem_of"]

ASGI_HINT = (
    "it is an ASGI application and WSGI is served here;"
    " serve it with an ASGI server, or wrap it with a2wsgi.ASGIMiddleware"
)


def problem_of(application: object, name: str) -> str:
    """One sentence on why `application` cannot be served, '' when nothing speaks against it.

    It begins as all sentences about the contract do, with the rule for ``dragoman explain``: ``contract: app-…``.
    """
    if not callable(application):
        return f"contract: app-not-callable: {name} is {described(application)}, not a WSGI application"
    if isinstance(application, type):
        return problem_of_class(application, name)
    if is_asgi(application):
        return f"contract: app-signature: {name} is {described(application)}: {ASGI_HINT}"
    if takes(application, 2):
        return ""
    if takes(application, 0):
        has_none = signature_text(application).startswith("()")
        what = f"{name} takes no arguments" if has_none else f"{name}{signature_text(application)} can do without any"
        return (
            f"contract: app-signature: {what}, a WSGI application takes (environ, start_response);"
            f" if it makes the application, write {name}()"
        )
    return (
        f"contract: app-signature: {name}{signature_text(application)} does not take (environ, start_response);"
        f" if it makes the application, write its arguments, as literals: {name}('prod', n=1)"
    )


def problem_of_class(cls: type, name: str) -> str:
    own = {attribute for base in cls.__mro__ if base is not object for attribute in vars(base)}
    # PEP 3333, "The Application/Framework Side": a class may be the application when its instances are the iterables.
    if not own.isdisjoint(["__iter__", "__getitem__"]) and takes(cls, 2):
        return ""
    # What a call of it makes need not be an instance of it.
    if "__call__" not in own and ("__new__" in own or type(cls).__call__ is not type.__call__):
        return ""
    if "__call__" not in own:
        what = f"the class {cls.__name__}; its instances are neither callable nor iterable"
        return f"contract: app-signature: {name} is {what}"
    if is_asgi_method(cls.__call__):
        return f"contract: app-signature: {name} is the class {cls.__name__} of ASGI applications: {ASGI_HINT}"
    return f"contract: app-signature: {name} is the class {cls.__name__}; serve an instance of it: {name}()"


def patched_by() -> tuple[str, str] | None:
    """Which of gevent and eventlet has replaced parts of the standard library, and which parts; None for neither."""
    # The objects themselves are the proof: they cannot be in place without their library's module being theirs.
    for module_name, attribute in PATCHED:
        module = sys.modules.get(module_name)
        origin = getattr(getattr(module, attribute, None), "__module__", None) or ""
        library = origin.partition(".")[0]
        if library in ("gevent", "eventlet"):
            return library, f"{module_name}.{attribute} is {library}'s"
    gevent = sys.modules.get("gevent.monkey")
    if isinstance(gevent, ModuleType) and (saved := getattr(gevent, "saved", None)):
        return "gevent", f"modules {', '.join(sorted(map(str, saved)))}"
    eventlet = sys.modules.get("eventlet.patcher")
    if isinstance(eventlet, ModuleType) and (patched := getattr(eventlet, "already_patched", None)):
        return "eventlet", f"modules {', '.join(sorted(map(str, patched)))}"
    return None


PATCHED = (
    ("_thread", "start_new_thread"),
    ("_thread", "allocate_lock"),
    ("threading", "Thread"),
    ("threading", "local"),
    ("socket", "socket"),
    ("select", "select"),
    ("time", "sleep"),
)


def is_asgi(application: object) -> bool:
    method = getattr(type(application), "__call__", None)  # noqa: B004 - the method is meant
    # That of a function is C's and tells nothing; to read its signature would touch, after a fork copy, all modules.
    is_pythons = not isinstance(method, WrapperDescriptorType)
    return is_asgi_method(application) or (is_pythons and is_asgi_method(method))


def is_asgi_method(method: object) -> bool:
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        return True
    try:
        names = [name for name in signature_of(method).parameters if name != "self"]
    except (TypeError, ValueError):
        return False
    return names == ["scope", "receive", "send"]


def takes(function: object, count: int) -> bool:
    """True when `function` can be called with `count` positional arguments, or when that cannot be told."""
    try:
        signature_of(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def signature_of(function: object) -> inspect.Signature:
    """How it is called, not how what it wraps is; of what is written in C, such as a cache, that of what it wraps.

    Raises ValueError when that cannot be told, and TypeError when it cannot be called.
    """
    try:
        return inspect.signature(function, follow_wrapped=False)  # type: ignore[arg-type]
    except ValueError:
        return inspect.signature(function)  # type: ignore[arg-type]


def signature_text(function: object) -> str:
    try:
        return str(signature_of(function))
    except (TypeError, ValueError):
        return ""


def described(value: object) -> str:
    """What `value` is, in a few words: ``"a dict"``, ``"the class Flask"``."""
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isasyncgenfunction(value) or inspect.iscoroutinefunction(value):
        return "an async def function"
    kind = type(value)
    article = "an" if kind.__name__[:1].lower() in "aeiou" else "a"
    return f"{article} {kind.__name__}"
