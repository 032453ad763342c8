"""What JSON can be made of: also what is a text, a number or a mapping of another kind."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import Any

import pytest
from markupsafe import Markup

from dragoman.web import App, MultiDict, jsonify
from dragoman.web.results import encoded_json
from tests.middleware.kit import ask


class Pence(int):
    pass


class Metres(float):
    pass


class Told:
    def __html__(self) -> str:
        return "<b>"


VALUES: list[tuple[Any, bytes]] = [
    (Markup("<b>"), b'"<b>"'),
    (Told(), b'"<b>"'),
    (Pence(7), b"7"),
    (Metres(1.5), b"1.5"),
    (MultiDict([("a", "1"), ("a", "2")]), b'{"a":"1"}'),
    (MappingProxyType({"a": 1}), b'{"a":1}'),
    (Counter("aab"), b'{"a":2,"b":1}'),
]


@pytest.mark.parametrize(("value", "encoded"), VALUES)
def test_kinds_of_texts_numbers_and_mappings_are_what_they_are_kinds_of(value: Any, encoded: bytes) -> None:
    assert encoded_json([value]) == b"[" + encoded + b"]"
    app = App(__name__)
    app.add_url_rule("/", "direct", lambda: {"value": value})
    app.add_url_rule("/json", "json", lambda: jsonify(value=value))
    assert ask(app).body == ask(app, target="/json").body == b'{"value":' + encoded + b"}"


def test_what_json_does_not_know_is_named() -> None:
    with pytest.raises(TypeError, match="object is nothing that JSON knows: <object object"):
        encoded_json([object()])
    assert encoded_json([object()], default=lambda value: "x") == b'["x"]'
