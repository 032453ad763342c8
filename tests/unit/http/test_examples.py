"""Every public function and class of `dragoman.http` has an example, and every example runs."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import dragoman.http

MODULES = [one.name for one in pkgutil.iter_modules(dragoman.http.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    module = importlib.import_module(f"dragoman.http.{name}")
    assert module.__all__ == sorted(module.__all__, key=lambda one: (not one.isupper(), one))
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isfunction(value) or (inspect.isclass(value) and value.__module__ == module.__name__):
            assert ">>>" in (value.__doc__ or ""), f"dragoman.http.{name}.{public} has no example"
    failed, attempted = doctest.testmod(module)
    assert failed == 0
    assert attempted > 0
