"""`Config`: the settings of an application, from objects, mappings, files of TOML and the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import IO, Any

__all__ = ["DEFAULTS", "KINDS", "OF_FLASK", "Config"]

DEFAULTS: Mapping[str, Any] = {
    "APPLICATION_ROOT": "/",
    "ASYNC_HANDLERS": True,
    "CHECK_TEMPLATES": True,
    "DEBUG": None,
    "MAX_CONTENT_LENGTH": 64 << 20,
    "MAX_FORM_FILES": 100,
    "MAX_FORM_MEMORY_SIZE": 2 << 20,
    "MAX_FORM_PARTS": 1000,
    "MERGE_SLASHES": True,
    "PREFERRED_URL_SCHEME": "https",
    "PROPAGATE_EXCEPTIONS": None,
    "SECRET_KEY": None,
    "SECRET_KEY_FALLBACKS": None,
    "SEND_FILE_MAX_AGE_DEFAULT": None,
    "SERVER_NAME": None,
    "SESSION_COOKIE_DOMAIN": None,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_NAME": None,
    "SESSION_COOKIE_PATH": "/",
    "SESSION_COOKIE_SAMESITE": "Lax",
    "SESSION_COOKIE_SECURE": None,
    "SESSION_IDLE_S": 14 * 86_400,
    "STRICT_SLASHES": True,
    "TEMPLATES_AUTO_RELOAD": None,
    "TESTING": False,
}
"""Each setting of the library with its default; an application adds its own, in capitals."""

FLAG: tuple[type, ...] = (bool, int)
FLAG_OR_NONE = (*FLAG, type(None))
NUMBER: tuple[type, ...] = (int, float)
NUMBER_OR_NONE = (*NUMBER, type(None))
TEXT_OR_NONE: tuple[type, ...] = (str, type(None))

KINDS: Mapping[str, tuple[type, ...]] = {
    "APPLICATION_ROOT": (str,),
    "ASYNC_HANDLERS": FLAG,
    "CHECK_TEMPLATES": FLAG,
    "DEBUG": FLAG_OR_NONE,
    "MAX_CONTENT_LENGTH": NUMBER_OR_NONE,
    "MAX_FORM_FILES": NUMBER_OR_NONE,
    "MAX_FORM_MEMORY_SIZE": NUMBER_OR_NONE,
    "MAX_FORM_PARTS": NUMBER_OR_NONE,
    "MERGE_SLASHES": FLAG,
    "PREFERRED_URL_SCHEME": (str,),
    "PROPAGATE_EXCEPTIONS": FLAG_OR_NONE,
    "SECRET_KEY": (str, bytes, type(None)),
    "SECRET_KEY_FALLBACKS": (list, tuple, type(None)),
    "SEND_FILE_MAX_AGE_DEFAULT": (int, timedelta, type(None)),
    "SERVER_NAME": TEXT_OR_NONE,
    "SESSION_COOKIE_DOMAIN": TEXT_OR_NONE,
    "SESSION_COOKIE_HTTPONLY": FLAG,
    "SESSION_COOKIE_NAME": TEXT_OR_NONE,
    "SESSION_COOKIE_PATH": (str,),
    "SESSION_COOKIE_SAMESITE": (str,),
    "SESSION_COOKIE_SECURE": FLAG_OR_NONE,
    "SESSION_IDLE_S": NUMBER,
    "STRICT_SLASHES": FLAG,
    "TEMPLATES_AUTO_RELOAD": FLAG_OR_NONE,
    "TESTING": FLAG,
}
"""What a setting of the library is. The text ``"False"`` is none that is off, so it is told instead of taken."""

WORDS: Mapping[type, str] = {
    bytes: "bytes", float: "", int: "a number", list: "a list", str: "a text",
    timedelta: "a timedelta", tuple: "", type(None): "None",
}  # fmt: skip

OF_FLASK: Mapping[str, str] = {
    "EXPLAIN_TEMPLATE_LOADING": "a template that is not found says where it was looked for",
    "MAX_COOKIE_SIZE": "a cookie of more than 4096 bytes is refused",
    "PERMANENT_SESSION_LIFETIME": "set SESSION_IDLE_S, in seconds",
    "PROVIDE_AUTOMATIC_OPTIONS": "OPTIONS is answered for each rule; a rule with methods=['OPTIONS'] comes before that",
    "SESSION_COOKIE_PARTITIONED": "set app.sessions to dragoman.middleware.Sessions(…)",
    "SESSION_REFRESH_EACH_REQUEST": "a session lives on while it is used",
    "TRAP_BAD_REQUEST_ERRORS": "the page of a 400 says which key is missing",
    "TRAP_HTTP_EXCEPTIONS": "errorhandler(HTTPException) has all of them",
    "TRUSTED_HOSTS": "put dragoman.middleware.TrustedHosts around the application",
    "USE_X_SENDFILE": "the server sends files itself",
}
"""Settings of Flask that do nothing here, with what there is instead."""


def toml_of(file: IO[Any]) -> Mapping[str, Any]:
    """What a file of TOML says."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415

    return tomllib.load(file)


def json_of(text: str) -> Any:
    """What a text of JSON says."""
    import json  # noqa: PLC0415

    return json.loads(text)


class Config(dict[str, Any]):
    """Settings by name. Names are in capitals; what has other names in an object or file is left out.

    root_path   what paths of files are relative to
    """

    def __init__(self, root_path: str | os.PathLike[str] = ".", defaults: Mapping[str, Any] | None = None) -> None:
        super().__init__(DEFAULTS if defaults is None else defaults)
        self.root_path = Path(root_path)

    def from_object(self, given: object) -> None:
        """The attributes of an object, a module or a class, or of what an import path names."""
        found = imported(given) if isinstance(given, str) else given
        self.take((name, getattr(found, name)) for name in dir(found))

    def from_mapping(self, *given: Mapping[str, Any], **named: Any) -> bool:
        """The items of mappings, and names with values."""
        for mapping in (*given, named):
            self.take(mapping.items())
        return True

    def from_file(
        self,
        path: str | os.PathLike[str],
        load: Callable[[IO[Any]], Mapping[str, Any]] = toml_of,
        silent: bool = False,
        text: bool = False,
    ) -> bool:
        """The items of a file, of TOML unless `load` reads another kind. `silent`: False where there is no file.

        text   whether `load` wants the file open as text. (Flask: True by default; json.load and tomllib take bytes.)
        """
        try:
            with (self.root_path / path).open("r" if text else "rb", encoding="utf-8" if text else None) as file:
                return self.from_mapping(load(file))
        except FileNotFoundError:
            if silent:
                return False
            raise

    def from_pyfile(self, path: str | os.PathLike[str], silent: bool = False) -> bool:
        """The names of a file of Python, which is executed."""
        names: dict[str, Any] = {"__file__": str(self.root_path / path), "__name__": "config"}
        try:
            source = (self.root_path / path).read_bytes()
        except FileNotFoundError:
            if silent:
                return False
            raise
        exec(compile(source, names["__file__"], "exec"), names)
        return self.from_mapping(names)

    def from_envvar(self, variable: str, silent: bool = False) -> bool:
        """`from_pyfile` of the path in an environment variable."""
        path = os.environ.get(variable)
        if not path:
            if silent:
                return False
            raise RuntimeError(f"the environment variable {variable} is not set; want the path of a file of settings")
        return self.from_pyfile(path, silent)

    def from_prefixed_env(self, prefix: str = "FLASK", *, loads: Callable[[str], Any] = json_of) -> bool:
        """Variables of the environment that begin with ``PREFIX_``; ``PREFIX_A__B`` sets key B of the dict A.

        Values are read as JSON, and stay texts where they are none.
        """
        start = f"{prefix}_"
        for variable in sorted(os.environ):
            if variable.startswith(start):
                text = os.environ[variable]
                try:
                    value = loads(text)
                except (ValueError, RecursionError):
                    value = text
                try:
                    self.put(variable.removeprefix(start), value)
                except TypeError as error:
                    raise TypeError(f"{variable}: {error}") from error
        return True

    def put(self, name: str, value: Any) -> None:
        """Set ``A``, or of ``A__B`` the key B of the dict A. Raises TypeError where A is something else."""
        *parts, last = name.split("__")
        place: dict[str, Any] = self
        for part in parts:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise TypeError(f"the setting {part} is {type(inner).__name__}, want a dict to set {last!r} in")
            place = inner
        place[last] = value

    def without_effect(self) -> list[str]:
        """A sentence for each setting of Flask that was made and does nothing here."""
        return [
            f"the setting {name} does nothing here: {instead}" for name, instead in OF_FLASK.items() if name in self
        ]

    def wrong(self) -> list[str]:
        """A sentence for each setting of the library that is of another kind than it has to be."""
        return [
            f"the setting {name} is {shown(name, self[name])}: want {words_for(kinds)}; a variable of the environment"
            " has it in JSON: true, 5, null"
            for name, kinds in KINDS.items()
            if name in self and not isinstance(self[name], kinds)
        ]

    def get_namespace(self, prefix: str, lowercase: bool = True, trim_namespace: bool = True) -> dict[str, Any]:
        """The settings whose names begin with `prefix`."""
        found = {}
        for name, value in self.items():
            if name.startswith(prefix):
                key = name.removeprefix(prefix) if trim_namespace else name
                found[key.lower() if lowercase else key] = value
        return found

    def take(self, items: Any) -> None:
        self.update((name, value) for name, value in items if isinstance(name, str) and name.isupper())


def shown(name: str, value: object) -> str:
    if name.startswith("SECRET"):
        kind = type(value).__name__
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return f"{value!r:.100}"


def words_for(kinds: Iterable[type]) -> str:
    flag = ["True", "False"] if bool in kinds else []
    words = [*flag, *(WORDS[kind] for kind in kinds if kind is not bool and not (kind is int and flag) and WORDS[kind])]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def imported(path: str) -> object:
    """What ``package.module`` or ``package.module.name`` or ``package.module:name`` is."""
    module, colon, name = path.partition(":")
    if colon:
        return getattr(import_module(module), name)
    try:
        return import_module(path)
    except ImportError:
        module, point, name = path.rpartition(".")
        if not point:
            raise
        return getattr(import_module(module), name)
