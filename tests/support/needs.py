"""What a test needs of its environment: without it a person's run leaves the test out, and CI's fails."""

import importlib.util
import os
import shutil

import pytest

__all__ = ["lack", "need", "need_program"]


def need(package: str, extra: str = "test") -> None:
    """Leave this test out where `package`, which is in the extra, is not installed; with CI=true that is an error."""
    if importlib.util.find_spec(package) is None:
        lack(f"no {package} in this environment; the extra `{extra}` has it")


def need_program(program: str, debian: str) -> None:
    """The same where there is no `program`, which is in the package `debian` of Debian."""
    if shutil.which(program) is None:
        lack(f"{program} is missing (Debian: apt-get install {debian})")


def lack(message: str) -> None:
    """The same where something else is missing: the message says what, and how it is had."""
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
