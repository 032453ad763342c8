"""Values for the parameters of routes: words that say which request they belong to, numbers, dates."""

import re
from collections.abc import Callable, Iterator

__all__ = ["fitting", "marker", "texts_for"]

# No digits, so that a marker is no number's neighbour, and no vowels, so that it is no word.
LETTERS = "bcdfghjkmn"
OTHERS = ("1", "2", "sample", "sample.txt", "en", "2024", "2024-01-31", "01", "1.5", "a/b", "abc123", "10001", "a")
UUID = "3f333df6-90a4-4fda-8dd3-9485d27cee36"


def marker(number: int) -> str:
    """A word of eight letters that is in no text by chance, another one for each number below 1,000,000."""
    return "zq" + "".join(LETTERS[int(digit)] for digit in f"{number:06d}")


def texts_for(regex: str, word: str) -> tuple[str, ...]:
    """What may fit: `word`, usual values, and the words that `regex` names itself, as in ``(json|xml)``."""
    return (word, *OTHERS, UUID, *re.findall(r"[A-Za-z0-9_-]{2,}", regex))


def fitting(
    regex: str, convert: Callable[[str], object], word: str, own: tuple[str, ...] = ()
) -> Iterator[tuple[str, object]]:
    """Texts that a parameter takes, each with its value: `word` first, if that is one of them.

    regex     what a text has to match as a whole
    convert   makes a value of the text; raises ValueError where it is none
    own       texts that the parameter itself names
    """
    for text in (*own, *texts_for(regex, word)):
        try:
            if re.fullmatch(regex, text):
                yield text, convert(text)
        except Exception:  # a project's own converter may raise anything
            continue
