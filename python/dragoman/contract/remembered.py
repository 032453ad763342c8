"""Lists of headers that were given to a request, to know them again when they are given to another one."""

from __future__ import annotations

import sys

__all__ = ["LISTS_AT_MOST", "Remembered"]

# When there are so many, those go that nobody else has any more; and there are never more than that.
LISTS, LISTS_AT_MOST = 32, 1024
# References to a list that is remembered and nothing else: by the pair that it stands in, and by the one who asks.
OWN_REFERENCES = 2


class Remembered:
    """The lists of all checkers: what two of them kept alive would seem to be somebody's."""

    def __init__(self) -> None:
        self.lists: dict[int, tuple[object, object]] = {}
        self.room = LISTS

    def was_given_before(self, headers: object, request: object) -> bool:
        """Whether this very list was given to another request than the one that `request` stands for."""
        if type(headers) is not list:
            return False
        lists = self.lists
        known = lists.get(id(headers))
        if known is None and len(lists) >= self.room:
            self.forget()
        # The list is kept alive, so that its id stays its own.
        lists[id(headers)] = headers, request
        return known is not None and known[1] is not request

    def forget(self) -> None:
        """Those that nobody else has cannot come again; of too many that can, the oldest go."""
        lists = self.lists
        for key, known in lists.copy().items():
            if sys.getrefcount(known[0]) <= OWN_REFERENCES:
                lists.pop(key, None)
        for key in list(lists)[: max(0, len(lists) - LISTS_AT_MOST // 2)]:
            lists.pop(key, None)
        self.room = min(LISTS + 2 * len(lists), LISTS_AT_MOST)
