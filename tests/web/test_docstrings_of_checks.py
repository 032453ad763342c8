"""The examples in the docstrings of validation and OpenAPI are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["misfits", "openapi_paths", "openapi_results", "validation"])
def test_the_examples_of_a_module_are_true(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"dragoman.web.{name}"))
    assert failed == 0 and tried > 0
