"""A test that cannot run is left out by a person's run, and fails CI's."""

import pytest

from tests.support.needs import need, need_program


def test_what_is_there_is_needed_by_nobody_in_vain() -> None:
    need("json")


def test_a_missing_package_leaves_a_test_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such_package in this environment"):
        need("such_package")


def test_in_ci_a_missing_package_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such_package in this environment"):
        need("such_package")


def test_a_missing_program_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    need_program("sh", "dash")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no-such-program is missing \(Debian: apt-get install nothing\)"):
        need_program("no-such-program", "nothing")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is missing"):
        need_program("no-such-program", "nothing")
