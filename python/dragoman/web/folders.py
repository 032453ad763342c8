"""The folders of an application or a blueprint: templates, static files, and what else is beside its module."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dragoman.web.late import Late

if TYPE_CHECKING:
    from jinja2 import BaseLoader

    from dragoman.web import files
    from dragoman.web.response import Response
else:
    files = Late("dragoman.web.files")

__all__ = ["Folders"]


class Folders:
    """What `App` and `Blueprint` have in common of folders. Those given are relative to `root_path`."""

    root_path: Path
    #: Of templates, as given.
    template_folder: str | os.PathLike[str] | None = None

    given_static_folder: str | os.PathLike[str] | None = None
    given_static_url_path: str | None = None
    given_loader: BaseLoader | None = None

    @property
    def static_folder(self) -> str | None:
        """The whole path of the folder whose files are served; None without one."""
        folder = self.given_static_folder
        return None if folder is None else os.path.join(self.root_path, folder).rstrip(os.sep)

    @static_folder.setter
    def static_folder(self, folder: str | os.PathLike[str] | None) -> None:
        self.given_static_folder = folder

    @property
    def static_url_path(self) -> str | None:
        """Where they are, without a slash at its end; default a slash with the folder's name."""
        if self.given_static_url_path is not None:
            return self.given_static_url_path.rstrip("/")
        return None if self.static_folder is None else "/" + os.path.basename(self.static_folder)

    @static_url_path.setter
    def static_url_path(self, path: str | None) -> None:
        if path and not path.startswith("/"):
            raise ValueError(f"static_url_path={path!r}: want a slash at its beginning")
        self.given_static_url_path = path

    @property
    def has_static_folder(self) -> bool:
        """Whether there is a folder whose files are served. (Flask: whether one was named.)"""
        return self.static_folder is not None and os.path.isdir(self.static_folder)

    def send_static_file(self, filename: str) -> Response:
        """A file of the static folder, as an answer. Raises NotFound for what is no file there."""
        if self.static_folder is None:
            raise RuntimeError(f"send_static_file: {self!r} has no static folder; want static_folder='static'")
        return files.send_from_directory(self.static_folder, filename)

    def open_resource(self, resource: str | os.PathLike[str], mode: str = "rb", encoding: str = "utf-8") -> IO[Any]:
        """A file beside the module, open for reading."""
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"open_resource: mode {mode!r}: what is beside the module is read alone: want 'r' or 'rb'")
        return (self.root_path / resource).open(mode, encoding=None if "b" in mode else encoding)

    @property
    def jinja_loader(self) -> BaseLoader | None:
        """What finds templates; of the template folder, unless you set another one. None without either."""
        if self.given_loader is None and self.template_folder is not None:
            folder = self.root_path / self.template_folder
            if folder.is_dir():
                from jinja2 import FileSystemLoader  # noqa: PLC0415

                self.given_loader = FileSystemLoader(folder)
        return self.given_loader

    @jinja_loader.setter
    def jinja_loader(self, loader: BaseLoader | None) -> None:
        self.given_loader = loader
