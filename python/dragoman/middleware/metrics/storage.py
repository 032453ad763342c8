"""Which table a setting names: ``shm://NAME`` for all processes of this user on this host, ``memory://`` for one."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dragoman.middleware.metrics.table import Layout, Table
from dragoman.middleware.shared_file import default_name, opened_file, path_of_file

__all__ = ["table_of"]

KIND = "metrics"

# What is open stays open: see `Locks`.
opened: dict[Path, tuple[str, Table]] = {}
opening = threading.Lock()


def table_of(uri: str, layout: Layout, meaning: str) -> Table:
    """The table for a URI.

    meaning   what all who share it have to agree on beside the layout

    Raises ValueError for a URI that is none, or that this process has open with another layout or meaning; OSError for
    a file that cannot be made or is not ours.
    """
    name, directory = parsed(uri)
    if name is None:
        return Table(layout, None, "metrics: memory://")
    text = f"1 {layout} {meaning}"
    path = path_of_file(name, KIND, directory)
    with opening:
        if path not in opened:
            open_file = partial(opened_file, path, KIND, text, layout.size_bytes)
            opened[path] = (text, Table(layout, open_file, f"metrics: shm://{name}"))
        known, table = opened[path]
    if known != text:
        raise ValueError(f"storage: shm://{name} is in use already, with other buckets or another size")
    return table


def parsed(uri: str) -> tuple[str | None, str | None]:
    """The name and the directory; no name for ``memory://``."""
    parts = urlsplit(uri if isinstance(uri, str) else "")
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    directory = query.pop("dir", None)
    if parts.scheme == "memory" and not parts.netloc and not parts.path and not parts.query:
        return None, None
    if parts.scheme != "shm" or parts.path.strip("/") or query or parts.fragment:
        raise ValueError(f"storage: want shm://NAME, with ?dir=/a/directory where wanted, or memory://, got {uri!r}")
    return parts.netloc or default_name(), directory
