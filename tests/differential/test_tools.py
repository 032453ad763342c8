"""The comparison itself, without a server: what it counts as a difference, and what a seed means."""

from __future__ import annotations

import re

import pytest

from tests.differential.compare import Difference, difference
from tests.differential.known import KNOWN, known
from tests.differential.mutations import Message, mutations
from tests.differential.observe import TAIL_TARGET, Outcome, Read, outcome

MESSAGE = Message(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "by hand")
ONE, OTHER = Read("POST", "/", 3, "ba7816"), Read("POST", "/", 5, "2cf24d")


def compared(ours: Outcome, theirs: Outcome) -> Difference | None:
    return difference(MESSAGE, "peer", ours, theirs)


def test_a_seed_gives_the_same_messages_again() -> None:
    assert list(mutations(7, 50)) == list(mutations(7, 50)) != list(mutations(8, 50))


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        (Outcome((), "400"), "refuses"),
        (Outcome((), "closed"), "refuses"),
        (Outcome((), "waits"), "waits"),
        (Outcome((), "tail"), "reads on"),
        (Outcome((OTHER,), "tail"), "frames otherwise"),
        (Outcome((ONE, ONE), "tail"), "frames otherwise"),
        (Outcome((ONE,), "400"), "refuses"),
        (Outcome((ONE,), "waits"), "waits"),
    ],
)
def test_what_we_accept_and_a_peer_does_not_read_so_is_a_difference(theirs: Outcome, kind: str) -> None:
    found = compared(Outcome((ONE,), "tail"), theirs)
    assert found is not None and found.kind == kind
    assert known(found) is None, "nothing is known of a peer of that name"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Outcome((ONE,), "tail"), Outcome((ONE,), "tail")),
        (Outcome((ONE,), "tail"), Outcome((ONE,), "closed")),
        (Outcome((), "400"), Outcome((OTHER,), "tail")),
        (Outcome((ONE,), "400"), Outcome((ONE, OTHER), "tail")),
    ],
)
def test_what_we_refuse_is_none(ours: Outcome, theirs: Outcome) -> None:
    assert compared(ours, theirs) is None


def test_outcome_is_read_from_what_the_application_has_told() -> None:
    told = (
        b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Seen: {"method": "POST", "target": "/", "length": 3, '
        b'"digest": "ba7816"}\r\n\r\n'
    )
    behind = (
        f'HTTP/1.1 200 OK\r\nX-Seen: {{"method": "GET", "target": "{TAIL_TARGET}", "length": 0, "digest": "e"}}\r\n\r\n'
    )
    assert outcome(told + behind.encode(), "closed") == Outcome((ONE,), "tail")
    assert outcome(told + b"HTTP/1.1 400 Bad Request\r\n\r\n", "closed") == Outcome((ONE,), "400")
    assert outcome(told, "waits") == Outcome((ONE,), "waits")
    assert outcome(b'HTTP/1.1 200 OK\r\nX-Seen: {"broken": "E"}\r\n\r\n', "closed").end == "broken body (E)"


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.name)
def test_every_known_difference_names_its_clause(row: object) -> None:
    assert re.search(r"RFC \d{4} §\d", getattr(row, "reason", ""))
