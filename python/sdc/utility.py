"""What a protected table has lost, on one scale for every method: for the review of a choice between them.

Measures after the Handbook on Statistical Disclosure Control (2nd ed., information loss): shares of cells and value
withheld, mean and largest absolute distance of what is shown, and Hellinger's distance, sqrt(1/2 sum (sqrt p - sqrt
q)^2) between the two tables as distributions, 0 (the same) to 1 (nothing in common). A withheld value counts as 0 in
Hellinger's distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Utility:
    """`cells` compared; shares 0 to 1; distances in the unit of the measure; `hellinger` 0 to 1."""

    cells: int
    withheld_cells: float
    withheld_value: float
    mean_distance: float
    largest_distance: float
    hellinger: float


def compare(true: Iterable[float], published: Iterable[float | None]) -> Utility:
    """Compare cells with what is published of them, in the same order; None is withheld.

    Cells that overlap (a total beside its parts) are counted each for itself: pass lowest cells to weigh each record
    once.
    Raises ValueError where there is nothing to compare, lengths differ or a value is negative.
    """
    pairs = list(zip(map(float, true), published, strict=True))
    if not pairs:
        raise ValueError("utility: there are no cells to compare")
    if any(t < 0 or (p is not None and p < 0) for t, p in pairs):
        raise ValueError("utility: Hellinger's distance needs values that are not negative")
    shown = [abs(t - float(p)) for t, p in pairs if p is not None]
    total = math.fsum(t for t, _ in pairs)
    shown_total = math.fsum(float(p) for _, p in pairs if p is not None)
    overlap = math.fsum(math.sqrt(t * float(p)) for t, p in pairs if p is not None)
    scale = math.sqrt(total * shown_total)
    return Utility(
        cells=len(pairs),
        withheld_cells=sum(p is None for _, p in pairs) / len(pairs),
        withheld_value=math.fsum(t for t, p in pairs if p is None) / total if total else 0.0,
        mean_distance=math.fsum(shown) / len(shown) if shown else 0.0,
        largest_distance=max(shown, default=0.0),
        hellinger=math.sqrt(max(0.0, 1.0 - overlap / scale)) if scale else float(total != shown_total),
    )
