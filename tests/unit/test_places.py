"""Directories by the names that the operator gave them, and what the path of a check may be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dragoman.supervisor.upgrade import Origin
from dragoman.values import check_target, directory, working_directory


@pytest.fixture
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A link to a release, in which the process is."""
    (tmp_path / "releases" / "1" / "app").mkdir(parents=True)
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "releases" / "1")
    monkeypatch.chdir(link)
    return link


def test_the_directory_has_the_name_that_the_shell_knows_it_by(current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", str(current))
    assert working_directory() == str(current)
    assert (directory("."), directory("app")) == (str(current), str(current / "app"))


@pytest.mark.parametrize("name", ["", "current", "/", "/there/is/no/such", "{here}/app/.."])
def test_a_name_that_is_not_that_of_the_directory_is_not_believed(
    current: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PWD", name.replace("{here}", str(current)))
    assert working_directory() == str(current.resolve())


def test_above_a_link_is_above_what_it_leads_to_and_links_behind_that_stay(
    current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PWD", str(current))
    (current.resolve().parent / "next").symlink_to(current.resolve())
    assert directory("..") == str(current.resolve().parent)
    assert directory("../next/app") == str(current.resolve().parent / "next" / "app")


def test_a_successor_is_started_by_the_interpreter_of_the_release_that_is_there_by_then(current: Path) -> None:
    (current / "python").symlink_to(sys.executable)
    assert Origin(("./python", "-m", "dragoman"), str(current), {}).program == f"{current}/./python"
    assert Origin(("./gone", "-m", "dragoman"), str(current), {}).program == sys.executable
    assert Origin(("python", "-m", "dragoman"), str(current), {}).program == sys.executable


@pytest.mark.parametrize("value", ["/", "/health?deep=1", "https://shop.example/health", "http://[::1]:80/"])
def test_what_is_checked_is_a_path_or_a_url(value: str) -> None:
    assert check_target(value) == value


@pytest.mark.parametrize("value", ["", "health", "/a b", "/a#b", "/\r\nX: y", "ftp://shop/", "https://shop", "/ä"])
def test_what_could_be_no_request_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="a path such as /health, or a URL"):
        check_target(value)
