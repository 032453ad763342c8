"""What a handler gives may be any mapping: it is sent as JSON, as a dict is."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from dragoman.web import App, MultiDict, session


@pytest.mark.parametrize("result", [MappingProxyType({"a": 1}), MultiDict([("a", 1), ("a", 2)])])
def test_a_mapping_that_is_no_dict_is_json(result: Any) -> None:
    app = App("mappings", static_folder=None)
    app.add_url_rule("/", "index", lambda: result)
    app.add_url_rule("/status", "status", lambda: (result, 201))
    assert app.test_client().get("/").json == {"a": 1}
    assert (app.test_client().get("/status").json, app.test_client().get("/status").status_code) == ({"a": 1}, 201)


def test_the_session_is_one() -> None:
    app = App("mappings", static_folder=None)
    app.secret_key = "0123456789abcdef"
    app.add_url_rule("/", "index", lambda: session)
    client = app.test_client()
    with client.session_transaction() as changed:
        changed["a"] = 1
    assert client.get("/").json == {"a": 1}
