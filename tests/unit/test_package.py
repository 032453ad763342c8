"""What is installed has all that is read at run time: pages, stubs and the mark of typed packages too."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from dragoman.web.openapi_page import ASSETS, TYPES
from tests.support.needs import lack
from tests.support.server import REPOSITORY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = REPOSITORY / "python" / "dragoman"
# Of a build, or of a run.
MADE = {".so", ".pyc"}


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of the source distribution; nothing is compiled for it."""
    maturin = Path(sys.executable).with_name("maturin")
    if not maturin.exists():
        lack("no maturin in this environment; make puts it there")
    directory = tmp_path_factory.mktemp("sdist")
    command = [str(maturin), "sdist", "--out", str(directory)]
    done = subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    [archive] = directory.iterdir()
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def test_each_file_of_the_package_is_distributed(distributed: set[str]) -> None:
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in MADE}
    assert {str(path.relative_to(REPOSITORY)) for path in files} <= distributed


def test_that_are_pages_stubs_and_the_mark_of_types_too(distributed: set[str]) -> None:
    pages = {str((ASSETS / name).relative_to(PACKAGE)) for name in TYPES}
    for name in {"py.typed", "_native.pyi", *pages}:
        assert f"python/dragoman/{name}" in distributed


def test_it_can_be_built_from_that(distributed: set[str]) -> None:
    crates = {f"crates/{name}/Cargo.toml" for name in ("http1", "engine", "python")}
    assert crates | {"Cargo.toml", "Cargo.lock", "pyproject.toml", "LICENSE", "README.md"} <= distributed


def test_a_wheel_has_of_the_package_what_the_source_distribution_has() -> None:
    # These would be the ways to say otherwise.
    said = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["maturin"]
    assert not {"include", "exclude"} & said.keys() and said["python-source"] == "python"
