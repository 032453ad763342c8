"""WhiteNoise around an application: files of its own, a compressed one, and everything else passed on."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

from whitenoise import WhiteNoise

from tests.apps.app_flask import app as flask_app
from tests.apps.frameworks import FILE, Wrap, unwrapped, validated

_DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-whitenoise-")
_ROOT = Path(_DIRECTORY.name)
(_ROOT / "file.bin").write_bytes(FILE)
(_ROOT / "style.css").write_text("body { color: teal }\n" * 100)
(_ROOT / "style.css.gz").write_bytes(gzip.compress(b"body { color: teal }\n" * 100))
(_ROOT / "empty.txt").write_text("")
(_ROOT / "pages").mkdir()
(_ROOT / "pages" / "index.html").write_text("<h1>Hello</h1>\n")


def make(wrap: Wrap = unwrapped) -> Any:
    """Two of them, one looking for its files at each request, and `wrap` around each."""
    inner = wrap(WhiteNoise(wrap(flask_app), root=_DIRECTORY.name, prefix="/static", index_file=True))
    return wrap(WhiteNoise(inner, root=_DIRECTORY.name, prefix="/live", autorefresh=True, index_file=True))


app = make()
validated_app = validated(app)
