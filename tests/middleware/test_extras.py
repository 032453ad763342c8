"""A part whose library is missing says which extra brings it; the others do not need it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.server import REPOSITORY

CASES = [
    ("redis", "from dragoman.middleware.stores import RedisStore", "RedisStore needs redis", "redis"),
    ("sqlalchemy", "from dragoman.middleware.stores import SQLStore", "SQLStore needs SQLAlchemy", "sql"),
    ("argon2", "from dragoman.middleware import BasicAuth", "BasicAuth needs argon2-cffi", "auth"),
    ("limits", "from dragoman.middleware import RateLimit", "RateLimit needs limits", "limits"),
    (
        "redis",
        "from dragoman.middleware import RateLimit; RateLimit(limits='1/second', storage='redis://127.0.0.1')",
        "RateLimit in Redis needs redis",
        "redis",
    ),
    ("jwt", "from dragoman.middleware import BearerAuth", "BearerAuth needs PyJWT", "auth"),
    (
        "brotli",
        "from dragoman.middleware import Compress; Compress(codings=['br'])",
        "Compress with br needs brotli",
        "compress",
    ),
    (
        "zstandard",
        "from dragoman.middleware import Decompress; Decompress(codings=['zstd'])",
        "Decompress with zstd needs zstandard",
        "compress",
    ),
    (
        "itsdangerous",
        "from dragoman.middleware import Sessions; Sessions(secret='x' * 32)",
        "Sessions in a signed cookie needs itsdangerous",
        "sessions",
    ),
]
OTHERS = "from dragoman.middleware import Sessions, Csrf, ApiKeyAuth, Compress, Static; Sessions(store='memory:')"


def ran(program: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", program]
    return subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False)


@pytest.mark.parametrize(("library", "code", "words", "extra"), CASES, ids=[case[0] for case in CASES])
def test_a_missing_library_is_said_with_its_extra(library: str, code: str, words: str, extra: str) -> None:
    done = ran(f"import sys; sys.modules[{library!r}] = None; {OTHERS}; {code}")
    assert done.returncode == 1
    assert f"ImportError: {words}; pip install 'dragoman[{extra}]' brings it" in done.stderr


def test_a_part_loads_only_what_it_stands_on() -> None:
    libraries = {case[0] for case in CASES}
    done = ran(f"import sys; {OTHERS}; print(*sorted({libraries!r} & set(sys.modules)))")
    assert (done.returncode, done.stdout.strip()) == (0, "")
