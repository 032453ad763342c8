"""Numbers and times as clients write them: what is none is told as theirs, and what browsers send is read."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import math
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from msgspec import Meta

from dragoman.web import App, Body, Query, ValidationFailed, validated
from tests.middleware.kit import Answered, ask

FORM, JSON = {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "application/json"}


class Sale(msgspec.Struct):
    price: decimal.Decimal = decimal.Decimal(1)
    most: float = math.inf
    note: str = ""
    limit: float | str = "none"
    by_price: dict[decimal.Decimal, int] = {}
    parts: list[Sale] = []


@dataclasses.dataclass
class Offer:
    prices: tuple[decimal.Decimal | None, ...]


class Rates(TypedDict):
    rates: dict[str, decimal.Decimal]


def sale(sale: Sale) -> str:
    return repr(sale.price)


def offer(offer: Offer) -> str:
    return repr(offer)


def rates(rates: Rates) -> str:
    return repr(rates)


def asked(handler: Any, method: str, target: str, fields: dict[str, str], body: bytes = b"") -> Answered:
    app = App(__name__)
    app.add_url_rule("/", "it", handler, methods=[method])
    return ask(app, method, target, {"Accept": "application/json", **fields}, body)


def told(answer: Answered) -> list[str]:
    assert answer.status == 422, answer.text
    return [one["detail"] for one in json.loads(answer.body)["errors"]]


NO_NUMBERS = ["NaN", "sNaN", "-nan12", "Infinity", "-inf", " nan ", "n_a_N", "I_nf", "\u3000NaN\u2003"]


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("is_escaped", [False, True])
def test_what_is_no_number_in_json_is_no_decimal_there(text: str, is_escaped: bool) -> None:
    shown = "".join(f"\\u{ord(one):04x}" for one in text) if is_escaped else text

    def posted(handler: Any, body: str) -> Answered:
        return asked(handler, "POST", "/", JSON, body.replace("@", f'"{shown}"').encode())

    wanted = "cannot be read: want a decimal number"
    assert told(posted(sale, '{"price":@}')) == [f"price {wanted}"]
    assert told(posted(sale, '{"parts":[{}, {"price":@}]}')) == [f"parts[1].price {wanted}"]
    assert told(posted(offer, '{"prices":["1",@,null]}')) == [
        "prices[1] cannot be read: want a decimal number or null",
    ]
    assert told(posted(rates, '{"rates":{"a":@}}')) == [f"rates.a {wanted}"]
    assert told(posted(sale, '{"price":@,"most":"1"}')) == [f"price {wanted}", "most is a text: want a number"]
    assert told(posted(sale, '{"by_price":{@:1}}'))[0].endswith("is no name for this: want a decimal number")
    # There it is a text like others.
    assert posted(sale, '{"note":@,"limit":@}').text == "Decimal('1')"


def test_numbers_are_decimals_whatever_words_stand_beside_them() -> None:
    body = {"price": "2.5", "note": "information, finance: nan", "parts": [{"note": "NaN"}]}
    assert asked(sale, "POST", "/", JSON, json.dumps(body).encode()).text == "Decimal('2.5')"
    many = {"price": "1e3", "note": "inf", "parts": [{"price": str(number)} for number in range(11_000)]}
    assert asked(sale, "POST", "/", JSON, json.dumps(many).encode()).text == "Decimal('1E+3')"
    many["parts"].append({"price": "nan"})  # type: ignore[attr-defined]
    assert told(asked(sale, "POST", "/", JSON, json.dumps(many).encode())) == [
        "parts[11000].price cannot be read: want a decimal number"
    ]


def test_what_is_no_number_in_json_is_none_in_the_parts_of_a_form() -> None:
    def weighed(weights: Body[dict[str, float]]) -> str:
        return repr(weights)

    def at(place: Query[tuple[float, float]]) -> str:
        return repr(place)

    assert told(asked(weighed, "POST", "/", FORM, b"a=1&b=nan")) == ["b cannot be read: want a number"]
    assert told(asked(at, "GET", "/?place=1&place=inf", {})) == ["place[1] cannot be read: want a number"]
    assert asked(at, "GET", "/?place=1&place=2", {}).text == "(1.0, 2.0)"


def test_a_default_that_no_client_has_sent_may_be_infinite() -> None:
    assert asked(sale, "POST", "/", FORM, b"price=3&note=inf").text == "Decimal('3')"
    assert told(asked(sale, "POST", "/", FORM, b"most=inf")) == ["most cannot be read: want a number"]


def test_values_of_elsewhere_have_numbers_too() -> None:
    with pytest.raises(ValidationFailed):
        validated({"price": "nan"}, Sale)
    with pytest.raises(ValidationFailed):
        validated({"a": "inf"}, dict[str, float], strict=False)
    assert validated({"price": "1.5", "note": "nan"}, Sale).note == "nan"


def test_a_time_that_no_calendar_has_is_the_clients_fault() -> None:
    def when(at: Query[datetime.datetime], until: Query[datetime.datetime | None] = None) -> str:
        return at.isoformat()

    wanted = "cannot be read: want a date and time such as 2024-01-31T12:00:00Z"
    for text in ("253402300800", "1e300", "-1e18"):
        assert told(asked(when, "GET", f"/?at={text}", {})) == [f"at {wanted}"]
    assert told(asked(when, "GET", "/?at=253402300800&until=253402300801", {})) == [
        f"at {wanted}",
        f"until {wanted} or null",
    ]
    with pytest.raises(ValidationFailed):
        validated([253402300800], list[datetime.datetime], strict=False)


def test_dates_and_times_are_read_as_inputs_of_browsers_send_them() -> None:
    """HTML, "valid normalized local date and time string": seconds are left out where there are none."""

    class Visit(msgspec.Struct):
        at: datetime.datetime
        on: datetime.date
        opens: Annotated[datetime.time, Meta(description="The doors.")]
        closes: datetime.time | None = None
        breaks: list[datetime.time] = []
        words: str = ""

    def visit(visit: Visit) -> str:
        times = [one.isoformat() for one in (visit.at, visit.on, visit.opens, *visit.breaks)]
        return f"{' '.join(times)} {visit.closes} {visit.words}"

    visit.__annotations__["visit"] = Visit
    body = b"at=2024-02-29T09:05&on=2024-02-29&opens=09:05&breaks=10:00&breaks=11:00:01.5&words=12:00"
    read = "2024-02-29T09:05:00 2024-02-29 09:05:00 10:00:00 11:00:01.500000 None 12:00"
    assert asked(visit, "POST", "/", FORM, body).text == read
    assert told(asked(visit, "POST", "/", FORM, body + b"&closes=24:01")) == [
        "closes cannot be read: want a time such as 12:00:00 or null"
    ]
    as_json = {"at": "2024-02-29T09:05", "on": "2024-02-29", "opens": "09:05:00"}
    assert len(told(asked(visit, "POST", "/", JSON, json.dumps(as_json).encode()))) == 1
