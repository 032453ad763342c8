"""Finds the application that a string such as ``shop.wsgi:app`` names, and says what is there when it is not."""

import ast
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from dragoman import signature
from dragoman.errors import ApplicationError, UsageError
from dragoman.types import WSGIApplication
from dragoman.values import nearest, printable

__all__ = [
    "ApplicationString",
    "Loaded",
    "add_paths",
    "application_frames",
    "is_machinery",
    "load",
    "parse",
    "resolve",
    "traceback_of",
]

# In this order; the last one is called. gunicorn's default is `application`, Flask's are the other two.
DEFAULT_ATTRIBUTES = ("app", "application")
DEFAULT_FACTORIES = ("create_app",)
WSGI_SUBMODULE = "wsgi"


class ApplicationString(NamedTuple):
    """``MODULE[:ATTRIBUTE[(ARGUMENTS)]]``, taken apart."""

    module: str
    attribute: str = ""
    is_call: bool = False
    args: tuple[object, ...] = ()
    kwargs: tuple[tuple[str, object], ...] = ()


class Loaded(NamedTuple):
    """An application and where it was found: ``shop.wsgi:app``."""

    application: WSGIApplication
    name: str


def parse(text: str, what: str = "application") -> ApplicationString:
    """The parts of an application string.

    what   names it in messages

    Arguments of a call are literals. Raises UsageError, with the likely meaning of what was given.
    """
    module, colon, target = text.partition(":")
    if module.endswith(".py") or "/" in module or "\\" in module:
        path = Path(module)
        likely = ".".join(part for part in path.with_suffix("").parts if part not in ("/", ".", ".."))
        raise wrong_string(text, f"a module's name, not a file; did you mean {likely}{colon}{target}?", what)
    if not is_dotted_name(module):
        raise wrong_string(text, "MODULE[:ATTRIBUTE], such as app:app or shop.wsgi:create_app()", what)
    if not colon:
        return ApplicationString(module)
    try:
        expression = ast.parse(target.strip(), mode="eval").body
        if isinstance(expression, ast.Call):
            keywords = [(keyword.arg, ast.literal_eval(keyword.value)) for keyword in expression.keywords]
            args = tuple(ast.literal_eval(argument) for argument in expression.args)
            kwargs = tuple((name, value) for name, value in keywords if name is not None)
            if len(kwargs) == len(keywords):
                return ApplicationString(module, dotted(expression.func), True, args, kwargs)
        else:
            return ApplicationString(module, dotted(expression))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    want = "a name after the colon, or a call with literal arguments such as create_app('prod', n=1)"
    raise wrong_string(text, want, what)


def add_paths(chdir: str, pythonpath: Sequence[str]) -> None:
    """Put the directories of a run at the front of ``sys.path``: `chdir`, then `pythonpath` in its order."""
    wanted = [chdir, *(str(Path(path).absolute()) for path in pythonpath)]
    sys.path[:] = wanted + [path for path in sys.path if path not in wanted]
    importlib.invalidate_caches()


def load(text: str) -> Loaded:
    """The application named by `text`.

    Raises UsageError for a malformed string, ApplicationError for everything that is wrong with what it names: one
    sentence, and the application's traceback as details where its own code failed.
    """
    wanted = parse(text)
    loaded = Loaded(*resolve(wanted)) if wanted.attribute else first_default(import_module(wanted.module))
    if problem := signature.problem_of(loaded.application, loaded.name):
        raise ApplicationError(problem)
    refuse_patched_process()
    return loaded


def is_web(application: object) -> bool:
    """Whether it is an `App` of `dragoman.web`, known by its shape: this room imports nothing of that one."""
    kinds = type(application).__mro__
    return any(kind.__name__ == "App" and kind.__module__ == "dragoman.web.app" for kind in kinds)


def decided(loaded: Loaded) -> Loaded:
    """`loaded`, which has looked at its rules and templates now, where it would at its first request.

    So a start and a reload tell of what is wrong in them, and forked workers share what came of it. Raises
    ApplicationError.
    """
    application: Any = loaded.application
    if is_web(application):
        try:
            application.freeze()
        except Exception as error:
            sentence, _, more = str(error).partition("\n")
            details = traceback_of(error) if application_frames(error) else more
            raise ApplicationError(f"{loaded.name} cannot be had: {printable(sentence)}", details) from None
    return loaded


def resolve(wanted: ApplicationString) -> tuple[Any, str]:
    """What the attribute of `wanted` is, or its call gives, and its name. Raises ApplicationError."""
    name = f"{wanted.module}:{wanted.attribute}"
    value = find_attribute(import_module(wanted.module), wanted.attribute)
    if wanted.is_call:
        return call_factory(value, name, wanted.args, dict(wanted.kwargs)), f"{name}()"
    return value, name


def import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The module itself is missing, or one of its parents. Any other name is an import inside of it.
        is_ours = error.name is not None and (name == error.name or name.startswith(f"{error.name}."))
        if error.name is not None and is_ours and not application_frames(error):
            raise ApplicationError(missing_module(name, error.name)) from None
        raise failed_import(name, error) from None
    except (Exception, SystemExit) as error:
        raise failed_import(name, error) from None


def failed_import(name: str, error: BaseException) -> ApplicationError:
    what = "exits the process" if isinstance(error, SystemExit) else "fails"
    return ApplicationError(f"importing {name} {what}: {one_line(error)}", traceback_of(error))


def missing_module(name: str, missing: str) -> str:
    parent, _, leaf = missing.rpartition(".")
    if parent:
        found = sys.modules.get(parent)
        paths = list(getattr(found, "__path__", ()))
        if not paths:
            return f"no module {name}: {parent} is a module ({location(found)}), not a package"
        where = ", ".join(paths)
    else:
        paths = sys.path[:1]
        where = f"{paths[0]}, nor in the rest of sys.path"
    names = module_names(paths)
    near = nearest(leaf, names)
    hint = f"; did you mean {' or '.join(f'{parent}.{n}' if parent else n for n in near)}?" if near else ""
    if not hint:
        hint = f"; there {'are' if len(names) > 1 else 'is'} {', '.join(names[:8])}" if names else ""
    if nested := nested_project(name):
        hint = f"; {nested} has manage.py: try --chdir {nested}"
    return f"no module {name if name == missing else f'{missing} (of {name})'} in {where}{hint}"


def module_names(paths: Sequence[str]) -> list[str]:
    # Only directories of the application: the names in site-packages would be noise.
    names: set[str] = set()
    for path in paths:
        try:
            entries = list(os.scandir(path or "."))
        except OSError:
            continue
        for entry in entries:
            if entry.name.endswith(".py") and entry.name[:-3].isidentifier():
                names.add(entry.name[:-3])
            elif entry.is_dir() and entry.name.isidentifier() and Path(entry.path, "__init__.py").exists():
                names.add(entry.name)
    return sorted(names - {"__init__"})


def nested_project(name: str) -> str:
    root = name.partition(".")[0]
    return root if Path(root, "manage.py").is_file() else ""


def first_default(module: ModuleType) -> Loaded:
    tried = [module]
    if (loaded := default_in(module)) is not None:
        return loaded
    submodule = f"{module.__name__}.{WSGI_SUBMODULE}"
    if hasattr(module, "__path__") and importlib.util.find_spec(submodule) is not None:
        tried.append(import_module(submodule))
        if (loaded := default_in(tried[-1])) is not None:
            return loaded
    expected = [*DEFAULT_ATTRIBUTES, *(f"{factory}()" for factory in DEFAULT_FACTORIES)]
    hint = f"; name what is to be served: {module.__name__}:NAME"
    if nested := nested_project(module.__name__):
        hint = f"; {nested} has manage.py: try --chdir {nested}"
    elif candidates := callables_of(module):
        hint = f"; it has {', '.join(f'{module.__name__}:{name}' for name in candidates)}"
    places = " and ".join(f"{one.__name__} ({location(one)})" for one in tried)
    raise ApplicationError(f"no {', '.join(expected[:-1])} or {expected[-1]} in {places}{hint}")


def default_in(module: ModuleType) -> Loaded | None:
    for attribute in DEFAULT_ATTRIBUTES:
        value = getattr(module, attribute, None)
        # A package's submodule of that name is no application, and `app.py` in a package is usual.
        if value is not None and not isinstance(value, ModuleType):
            return Loaded(value, f"{module.__name__}:{attribute}")
    for attribute in DEFAULT_FACTORIES:
        if callable(factory := getattr(module, attribute, None)):
            name = f"{module.__name__}:{attribute}"
            return Loaded(call_factory(factory, name, (), {}), f"{name}()")
    return None


def find_attribute(module: ModuleType, attribute: str) -> Any:
    value: Any = module
    path = module.__name__
    for index, part in enumerate(attribute.split(".")):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise ApplicationError(missing_attribute(module, value, path, part)) from None
        except Exception as error:
            raise ApplicationError(
                f"reading {path}{'.:'[index == 0]}{part} fails: {one_line(error)}", traceback_of(error)
            ) from None
        path += f"{':' if index == 0 else '.'}{part}"
    return value


def missing_attribute(module: ModuleType, holder: object, path: str, part: str) -> str:
    names = [name for name in dir(holder) if not name.startswith("_")]
    separator = ":" if holder is module else "."
    if holder is module:
        # A class that is imported, such as App of dragoman.web, is nearest to `app` and not meant.
        names = [name for name in names if is_own_or_no_class(module, name)]
    if near := nearest(part, names):
        hint = f"; did you mean {' or '.join(f'{path}{separator}{name}' for name in near)}?"
    elif holder is module and (candidates := callables_of(module)):
        hint = f"; it has {', '.join(f'{path}:{name}' for name in candidates)}"
    else:
        hint = ""
    where = f" ({location(module)})" if holder is module else f", which is {signature.described(holder)}"
    return f"no {part} in {path}{where}{hint}"


def is_own_or_no_class(module: ModuleType, name: str) -> bool:
    value = vars(module).get(name)
    return not isinstance(value, type) or value.__module__ == module.__name__


def callables_of(module: ModuleType) -> list[str]:
    """Names defined in `module` itself that might be meant: instances and functions, not what it imports."""
    found = []
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", None) == module.__name__ or not hasattr(value, "__name__")
        if not name.startswith("_") and callable(value) and is_own and not isinstance(value, type):
            found.append(name)
    return sorted(found)[:5]


def call_factory(factory: Any, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
    if not callable(factory):
        raise ApplicationError(f"{name} is {signature.described(factory)} and cannot be called; drop the parentheses")
    try:
        application = factory(*args, **kwargs)
    except (Exception, SystemExit) as error:
        sentence = f"calling {name}() fails: {one_line(error)}"
        # Nothing of it has run: the arguments do not fit, and a traceback would only say so again.
        if isinstance(error, TypeError) and not application_frames(error):
            raise ApplicationError(
                f"{sentence}; arguments stand in the call, as literals: {name}('prod', n=1)"
            ) from None
        raise ApplicationError(sentence, traceback_of(error)) from None
    if application is None:
        raise ApplicationError(f"{name}() returned None; it has to return the application")
    return application


def refuse_patched_process() -> None:
    """Raise ApplicationError when gevent or eventlet has replaced the threads or sockets of this process."""
    if found := signature.patched_by():
        library, what = found
        call = "gevent.monkey.patch_all()" if library == "gevent" else "eventlet.monkey_patch()"
        raise ApplicationError(
            f"{library} has patched this process ({what}): remove {call}, and a start through {library}'s own command;"
            " slow requests run on threads of their own here, without a worker class"
        )


def application_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames outside of the import system and of this package that raised or passed on `error`."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not is_machinery(frame.filename)]


def is_machinery(filename: str) -> bool:
    """Whether a frame of that file leads to the application and is none of it."""
    own = os.path.dirname(__file__) + os.sep
    return filename.startswith((own, "<frozen importlib")) or filename == importlib.__file__


def traceback_of(error: BaseException) -> str:
    """The traceback of `error` from the application's first frame on; causes and contexts included."""
    # A syntax error has its place in itself, and the frames that led to it are those of the importers.
    tb = error.__traceback__
    while tb is not None and is_machinery(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    lines = "".join(traceback.format_exception(type(error), error, tb))
    return re.sub(r'  File "<frozen importlib[^\n]*\n(?:    [^\n]*\n)*', "", lines).rstrip("\n")


def one_line(error: BaseException) -> str:
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    return printable(last.splitlines()[0] if last else type(error).__name__)


def location(module: ModuleType | None) -> str:
    path = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return shortened(path) if path else "built in"


def shortened(path: str) -> str:
    relative = os.path.relpath(path or ".")
    return path if relative.startswith("..") else relative


def is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def dotted(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return f"{dotted(expression.value)}.{expression.attr}"
    if isinstance(expression, ast.Name):
        return expression.id
    raise ValueError("a dotted name")


def wrong_string(text: str, want: str, what: str) -> UsageError:
    return UsageError(f'{what} "{printable(text)}": want {want}')
