"""Attackers beyond the outsider, by name: who is inside the table and knows some of its suppressed cells.

A new attacker is one module with a function `insiders(system)` and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdc.engine.attackers import contributors, holdings, singletons
from sdc.engine.errors import EngineError
from sdc.engine.insiders import Insiders
from sdc.engine.system import System

OUTSIDER = "outsider"
ATTACKERS: dict[str, Callable[[System], Insiders]] = {
    "singletons": singletons.insiders,
    "contributors": contributors.insiders,
    "holdings": holdings.insiders,
}
# What is examined unless a caller names others: singletons know no more than contributors.
DEFAULT = ("contributors", "holdings")


def named_attackers(system: System, names: Sequence[str] | None) -> tuple[Insiders, ...]:
    """The insiders of the names given (`outsider` is always examined); None for all that the cells tell of.

    Raises EngineError for a name that is not known, and for one whose columns the cells do not have: an attacker that
    cannot be examined must not seem to have been.
    """
    if isinstance(names, str):
        names = (names,)
    asked = DEFAULT if names is None else tuple(dict.fromkeys(names))
    found = []
    for name in asked:
        if name == OUTSIDER:
            continue
        if name not in ATTACKERS:
            raise EngineError(f"attackers: unknown {name!r}; use {OUTSIDER}, {', '.join(ATTACKERS)}")
        insiders = ATTACKERS[name](system)
        if names is not None and insiders.column not in system.columns:
            raise EngineError(f"attackers: {name} needs the column `{insiders.column}` in cells; there is none")
        if (insiders.knows >= 0).any():
            found.append(insiders)
    return tuple(found)
