"""What a variable of a rule matches, and what the handler gets for it: ``<int:id>``."""

from __future__ import annotations

import re
import uuid
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

__all__ = [
    "CONVERTERS",
    "AnyConverter",
    "Converter",
    "FloatConverter",
    "IntegerConverter",
    "PathConverter",
    "StringConverter",
    "UUIDConverter",
]

N = TypeVar("N", int, float)

# RFC 3986 §3.3: pchar, but "%" and "/", and the ";" and "=" that some servers take for parameters.
SAFE_IN_SEGMENT = "!$&'()*+,:@"
# More digits than any key of a database has; int() takes time with the square of their number.
MOST_DIGITS = 100


class Converter:
    """What a variable of a rule stands for. Subclass it and put it into ``app.converters`` under a name.

    regex            what the decoded text has to match as a whole
    spans_segments   whether it matches slashes too
    python_type      of what the handler gets: a handler whose annotation says otherwise is refused at the start
    judges_text      whether `to_python` looks at the text itself: then `regex` is not asked where it stands alone
    weight           of several variables that could match, the lightest is tried first
    The arguments of a rule, ``<string(length=2):code>``, go to ``__init__``.
    """

    regex: str = "[^/]+"
    spans_segments: ClassVar[bool] = False
    python_type: ClassVar[type[Any]] = str
    judges_text: ClassVar[bool] = False
    weight: ClassVar[int] = 100

    def to_python(self, text: str) -> Any:
        """What the handler gets. Raises ValueError where the rule does not match after all."""
        return text

    def to_url(self, value: Any) -> str:
        """The text for a URL, percent-encoded."""
        return quote(str(value), safe=SAFE_IN_SEGMENT)


class StringConverter(Converter):
    """``<name>``, ``<string(length=2):code>``: one segment, of `minlength` to `maxlength` characters."""

    def __init__(self, minlength: int = 1, maxlength: int | None = None, length: int | None = None) -> None:
        least, most = (length, length) if length is not None else (minlength, maxlength)
        self.regex = f"[^/]{{{least},{'' if most is None else most}}}"
        self.is_any = least <= 1 and most is None


class PathConverter(Converter):
    """``<path:name>``: one segment or more, with the slashes between them."""

    regex = "[^/].*"
    spans_segments = True
    weight = 200

    def to_url(self, value: Any) -> str:
        """The text for a URL; slashes stay."""
        return quote(str(value), safe=SAFE_IN_SEGMENT + "/")


class IntegerConverter(Converter):
    """``<int:id>``: digits; `signed` takes a minus too, `fixed_digits` wants so many, `min` and `max` bound it."""

    judges_text = True
    python_type = int
    weight = 50

    def __init__(
        self, fixed_digits: int = 0, min: int | None = None, max: int | None = None, signed: bool = False
    ) -> None:
        self.fixed_digits = fixed_digits
        self.least = min
        self.most = max
        self.signed = signed
        self.regex = "-?[0-9]+" if signed else "[0-9]+"
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
        number = within(int(value), self.least, self.most)
        if number < 0 and not self.signed:
            raise ValueError(f"{number} is below 0: write <int(signed=True):…>")
        return f"{number:0{self.fixed_digits}d}" if self.fixed_digits else str(number)


class FloatConverter(Converter):
    """``<float:price>``: digits, a point, digits; `signed`, `min` and `max` as of int."""

    judges_text = True
    python_type = float
    weight = 50
    FORM: ClassVar[re.Pattern[str]] = re.compile(r"-?[0-9]{1,100}\.[0-9]{1,100}")

    def __init__(self, min: float | None = None, max: float | None = None, signed: bool = False) -> None:
        self.least = min
        self.most = max
        self.signed = signed
        self.regex = r"-?[0-9]+\.[0-9]+" if signed else r"[0-9]+\.[0-9]+"

    def to_python(self, text: str) -> float:
        """The number."""
        if self.FORM.fullmatch(text) is None or (text[0] == "-" and not self.signed):
            raise ValueError("no number")
        return within(float(text), self.least, self.most)

    def to_url(self, value: Any) -> str:
        """The number with a point."""
        return f"{within(float(value), self.least, self.most):f}".rstrip("0") + (
            "0" if float(value).is_integer() else ""
        )


class UUIDConverter(Converter):
    """``<uuid:id>``: a UUID in its usual form."""

    judges_text = True
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
    weight = 40

    def __init__(self, *items: str) -> None:
        if not items:
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
