"""Static files: the rules of the folders that there are when the application is frozen."""

from __future__ import annotations

from collections.abc import Iterable

from dragoman.web.folders import Folders
from dragoman.web.registrations import RuleOf
from dragoman.web.response import Response

__all__ = ["ENDPOINT", "absent_folder", "static_rules"]

ENDPOINT = "static"


def static_rules(owner: Folders) -> Iterable[RuleOf]:
    """The rule for the files of a folder, where there is one: ``/static/<path:filename>``, by the name ``static``."""
    if not owner.has_static_folder:
        return

    def static(filename: str) -> Response:
        return owner.send_static_file(filename)

    rule = f"{owner.static_url_path}/<path:filename>"
    yield RuleOf(rule, ENDPOINT, static, ("GET",), defaults=None, strict_slashes=None)


def absent_folder(owner: Folders) -> str | None:
    """The static folder that was named, where there is none."""
    return None if owner.has_static_folder else owner.static_folder
