"""The directory of static files behind `Static` and behind WhiteNoise; `harness/files.py` wrote it."""

from __future__ import annotations

from pathlib import Path

from dragoman.middleware import Static
from whitenoise import WhiteNoise

from hello import app as hello

DIRECTORY = Path(__file__).resolve().parent.parent / "out" / "files"

ours = Static(hello, DIRECTORY, prefix="/")
theirs = WhiteNoise(hello, root=str(DIRECTORY))
