"""What a rule of the contract consists of."""

import textwrap
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

__all__ = ["Cost", "Effect", "Party", "Rule", "Side", "code"]

Party: TypeAlias = Literal["application", "application or middleware", "middleware", "server or middleware"]
"""Who can break the rule."""

Cost: TypeAlias = Literal["load", "always", "deep", "check"]
"""When it is checked: once as the application is loaded; natively on every request; by ``Checked``, which looks at the
always ones too; by ``dragoman check`` alone, which repeats requests."""

Side: TypeAlias = Literal["inside", "outside"]
"""Whose breach a checker sees: that of what it wraps, or that of who calls it."""


class Effect(Enum):
    """What a breach leads to, apart from its report."""

    REFUSE = "the server does not start"
    RAISE = "AssertionError where start_response or write was called"
    RERAISE = "the given exception is raised again, the response is cut"
    FAIL = "the response is a 500"
    DROP_FIELD = "the field is left out of the response"
    CUT = "what is wrong is not sent; where the framing is broken by it, the connection closes"
    DROP_BODY = "the body is left out of the response"
    LOG = "the response stands"


@dataclass(frozen=True)
class Rule:
    """One rule. `said` and `fix` are templates over the facts of a breach: the first whose facts are all known is used,
    and the last of each needs none. They are true under any server; `done` is a sentence about what Dragoman has done.

    `wrong` and `right` are programs: an `app`, or a `middleware` to go around one, and perhaps an `after` that runs
    when the request has ended. Of what is told at the start they are command lines.
    """

    id: str
    party: Party
    cost: Cost
    effect: Effect
    said: tuple[str, ...]
    why: str
    clause: str
    fix: tuple[str, ...]
    wrong: str
    right: str
    side: Side = "inside"
    done: str = ""
    # No text forbids it, but it is worth a word: reported only when asked for.
    is_hint: bool = False


def code(text: str) -> str:
    """An example as it is shown, of how it stands in the table."""
    return textwrap.dedent(text).strip("\n")
