"""What a variable of a rule matches, and what the handler gets for it: ``<int:id>``."""

from __future__ import annotations

import re
import uuid
from collections import UserDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from dragoman.web.quoting import SAFE_IN_VALUE

__all__ = [
    "CONVERTERS",
    "AnyConverter",
    "Converter",
    "Converters",
    "FloatConverter",
    "IntegerConverter",
    "PathConverter",
    "StringConverter",
    "UUIDConverter",
]

N = TypeVar("N", int, float)

# More digits than any key of a database has; int() takes time with the square of their number.
MOST_DIGITS = 100


class Converter:
    """What a variable of a rule stands for. Subclass it and put it into ``app.converters`` under a name.

    regex            what the decoded text has to match as a whole
    spans_segments   whether it matches slashes too
    python_type      of what the handler gets: a handler whose annotation says otherwise is refused at the start
    judges_text      whether `to_python` looks at the text itself: then `regex` is not asked where it stands alone
    is_short         whether the texts that it matches have no more than some 100 characters; where several that have
                     more stand in one segment, long segments are not matched
    weight           of several variables that could match, the lightest is tried first
    The arguments of a rule, ``<string(length=2):code>``, go to ``__init__``.
    """

    regex: str = "[^/]+"
    spans_segments: ClassVar[bool] = False
    python_type: ClassVar[type[Any]] = str
    judges_text: ClassVar[bool] = False
    is_short: bool = False
    weight: ClassVar[int] = 100

    def to_python(self, text: str) -> Any:
        """What the handler gets. Raises ValueError where the rule does not match after all."""
        return text

    def to_url(self, value: Any) -> str:
        """The text for a URL, percent-encoded."""
        return quote(str(value), safe=SAFE_IN_VALUE)


class StringConverter(Converter):
    """``<name>``, ``<string(length=2):code>``: one segment, of `minlength` to `maxlength` characters."""

    judges_text = True

    def __init__(self, minlength: int = 1, maxlength: int | None = None, length: int | None = None) -> None:
        self.least, self.most = (length, length) if length is not None else (minlength, maxlength)
        self.regex = f"[^/]{{{self.least},{'' if self.most is None else self.most}}}"
        self.is_any = self.least == 1 and self.most is None
        self.is_short = self.most is not None and self.most <= MOST_DIGITS

    def to_python(self, text: str) -> str:
        """The text, which may have slashes that were escaped."""
        if len(text) < self.least or (self.most is not None and len(text) > self.most):
            raise ValueError("another length")
        return text


class PathConverter(Converter):
    """``<path:name>``: one segment or more, with the slashes between them."""

    regex = "[^/].*"
    spans_segments = True
    weight = 200

    def to_url(self, value: Any) -> str:
        """The text for a URL; slashes stay."""
        return quote(str(value), safe=SAFE_IN_VALUE + "/")


class IntegerConverter(Converter):
    """``<int:id>``: digits; `signed` takes a minus too, `fixed_digits` wants so many, `min` and `max` bound it."""

    judges_text = True
    is_short = True
    python_type = int
    weight = 50

    def __init__(
        self, fixed_digits: int = 0, min: int | None = None, max: int | None = None, signed: bool = False
    ) -> None:
        self.fixed_digits = fixed_digits
        self.least = min
        self.most = max
        self.signed = signed
        self.regex = f"{'-?' if signed else ''}[0-9]{{1,{MOST_DIGITS}}}"
        self.is_plain = not (fixed_digits or signed or min is not None or max is not None)

    def to_python(self, text: str) -> int:
        """The number."""
        digits = text[1:] if self.signed and text[:1] == "-" else text
        if not (digits.isascii() and digits.isdigit()) or len(digits) > MOST_DIGITS:
            raise ValueError("no number")
        if self.fixed_digits and len(digits) != self.fixed_digits:
            raise ValueError("another number of digits")
        return within(int(text), self.least, self.most)

    def to_url(self, value: Any) -> str:
        """The digits, with zeros before them where the rule wants so many."""
        number = int(value)
        if number < 0 and not self.signed:
            raise ValueError(f"{number} is below 0: write <int(signed=True):…>")
        # Python turns no number of more than 4,300 digits into text.
        if abs(number) >= 10**MOST_DIGITS:
            raise ValueError(f"want a number of at most {MOST_DIGITS} digits")
        return f"{'-' if number < 0 else ''}{abs(number):0{self.fixed_digits}d}"


class FloatConverter(Converter):
    """``<float:price>``: digits, a point, digits; `signed`, `min` and `max` as of int."""

    judges_text = True
    is_short = True
    python_type = float
    weight = 50
    FORM: ClassVar[re.Pattern[str]] = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}\.[0-9]{{1,{MOST_DIGITS}}}")

    def __init__(self, min: float | None = None, max: float | None = None, signed: bool = False) -> None:
        self.least = min
        self.most = max
        self.signed = signed
        self.regex = self.FORM.pattern if signed else self.FORM.pattern.removeprefix("-?")

    def to_python(self, text: str) -> float:
        """The number."""
        if self.FORM.fullmatch(text) is None or (text[0] == "-" and not self.signed):
            raise ValueError("no number")
        return within(float(text), self.least, self.most)

    def to_url(self, value: Any) -> str:
        """The number with a point, and with all its digits."""
        number = float(value)
        if number < 0 and not self.signed:
            raise ValueError(f"{number} is below 0: write <float(signed=True):…>")
        text = f"{Decimal(repr(number)):f}" if number else "0.0"
        return text if "." in text else f"{text}.0"


class UUIDConverter(Converter):
    """``<uuid:id>``: a UUID in its usual form."""

    judges_text = True
    is_short = True
    python_type = uuid.UUID
    weight = 50
    regex = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
    FORM: ClassVar[re.Pattern[str]] = re.compile(regex)

    def to_python(self, text: str) -> uuid.UUID:
        """The UUID."""
        if self.FORM.fullmatch(text) is None:
            raise ValueError("no UUID")
        return uuid.UUID(text)

    def to_url(self, value: Any) -> str:
        """The UUID in its usual form."""
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)))


class AnyConverter(Converter):
    """``<any(about, help):page>``: one of these."""

    judges_text = True
    is_short = True
    weight = 40

    def __init__(self, *items: str) -> None:
        if not items or not all(isinstance(item, str) for item in items):
            raise ValueError("want the texts that it may be: <any(about, help):page>")
        self.items = frozenset(items)
        self.regex = "|".join(re.escape(item) for item in items)

    def to_python(self, text: str) -> str:
        """The text, if it is one of them."""
        if text not in self.items:
            raise ValueError("another text")
        return text

    def to_url(self, value: Any) -> str:
        """The text. Raises ValueError for another."""
        if value not in self.items:
            raise ValueError(f"{value!r}: want one of {', '.join(sorted(self.items))}")
        return super().to_url(value)


class Converters(UserDict[str, type[Converter]]):
    """The converters of an application, by the names that rules have for them.

    refuse   called with ``"converters"`` before each change: raises an error when there may be none any more
    Raises TypeError for what is no class of converters.
    """

    def __init__(self, refuse: Callable[[str], object]) -> None:
        super().__init__()
        self.data.update(CONVERTERS)
        self.refuse = refuse

    def __setitem__(self, name: str, kind: type[Converter]) -> None:
        self.refuse("converters")
        if not (isinstance(kind, type) and issubclass(kind, Converter)):
            raise TypeError(f"converters[{name!r}]: want a subclass of dragoman.web.converters.Converter, got {kind!r}")
        super().__setitem__(name, kind)

    def __delitem__(self, name: str) -> None:
        self.refuse("converters")
        super().__delitem__(name)


CONVERTERS: dict[str, type[Converter]] = {
    "default": StringConverter,
    "string": StringConverter,
    "int": IntegerConverter,
    "float": FloatConverter,
    "path": PathConverter,
    "uuid": UUIDConverter,
    "any": AnyConverter,
}
"""By the names that rules have for them."""


def within(number: N, least: N | None, most: N | None) -> N:
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(f"{number}: want {'' if least is None else least} to {'' if most is None else most}")
    return number
