"""The engine's only exception, and the way it names cells and relations."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

NAMED_AT_MOST = 10


class EngineError(ValueError):
    """Input that cannot be protected, or is not a table: the message says what is wrong and what to do.

    Attributes:
        cells: ids of the cells concerned, ascending (all of them, also when the message names only the first).
        relations: ids of the relations concerned, ascending.
    """

    def __init__(self, message: str, *, cells: Iterable[int] = (), relations: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.cells = sorted(int(i) for i in cells)
        self.relations = sorted(int(i) for i in relations)


def named(ids: Iterable[int]) -> str:
    """Comma-separated ascending ids, the first ten and how many more there are."""
    ordered = np.unique(np.fromiter((int(i) for i in ids), dtype=np.int64))
    text = ", ".join(str(i) for i in ordered[:NAMED_AT_MOST])
    more = len(ordered) - NAMED_AT_MOST
    return f"{text} and {more} more" if more > 0 else text
