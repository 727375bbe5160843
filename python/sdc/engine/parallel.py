"""Work on independent blocks in threads: HiGHS leaves Python's lock while it solves.

Results come in the order of the items and must not depend on one another, so that they are the same for any number of
threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# More threads than this gain nothing: what is between the programs holds the lock.
MOST = 4


def in_threads(function: Callable[[Item], Result], items: Iterable[Item], threads: int | None) -> list[Result]:
    """`function` of each item, in order; `threads` None for as many as there are cores, up to MOST."""
    items = list(items)
    threads = min(threads or min(os.cpu_count() or 1, MOST), len(items))
    if threads <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))
