"""What a reader of the whole publication is to the audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sdc.engine.pattern import Pattern


@dataclass(frozen=True)
class Leak:
    """A verdict on a suppressed `cell`; `members` are the cells of the sum that gives it away, itself among them."""

    cell: int
    verdict: int
    members: np.ndarray | None = None


class Reader(Protocol):
    """An attacker by name; `leaks` lists what it finds in a pattern, and what it could not examine.

    What is not begun before `deadline` (time.monotonic) is not examined. `threads` as for `parallel.in_threads`.
    """

    name: str

    def leaks(self, pattern: Pattern, deadline: float | None = None, threads: int | None = None) -> list[Leak]: ...
