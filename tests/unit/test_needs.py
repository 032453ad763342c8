"""A test that cannot run is left out by a person's run, and fails CI's."""

import pytest

from tests.support.needs import need


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
