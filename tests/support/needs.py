"""What a test needs of its environment: without it a person's run leaves the test out, and CI's fails."""

import importlib.util
import os

import pytest

__all__ = ["need"]


def need(package: str) -> None:
    """Leave this test out where `package` is not installed; with CI=true that is an error."""
    if importlib.util.find_spec(package) is not None:
        return
    message = f"no {package} in this environment; the extra `test` has it"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
