"""Attackers beyond the outsider, by name.

Insiders are inside the table and know some of its suppressed cells. Readers are outside and draw more from it than
single cells' intervals: sums that fail the rules, and what whole numbers leave.

A new insider is one module with a function `insiders(system)` and one line here; a new reader one with a class and one
line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdc.engine.attackers import contributors, holdings, integers, singletons, unions
from sdc.engine.attackers.reader import Reader
from sdc.engine.errors import EngineError
from sdc.engine.insiders import Insiders
from sdc.engine.rules import Judge
from sdc.engine.system import System

OUTSIDER = "outsider"
ATTACKERS: dict[str, Callable[[System], Insiders]] = {
    "singletons": singletons.insiders,
    "contributors": contributors.insiders,
    "holdings": holdings.insiders,
}
READERS: dict[str, Callable[[Judge | None], Reader]] = {
    "unions": unions.reader,
    "integers": integers.reader,
    "public_rule": integers.reader_of_rule,
}
# What is examined unless a caller names others: singletons know no more than contributors, and unions need rules.
DEFAULT = ("contributors", "holdings", "unions")


def _asked(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names given, each once; EngineError for one that is not known."""
    asked = DEFAULT if names is None else (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
    for name in asked:
        if name not in (OUTSIDER, *ATTACKERS, *READERS):
            raise EngineError(f"attackers: unknown {name!r}; use {', '.join((OUTSIDER, *ATTACKERS, *READERS))}")
    return asked


def named_attackers(system: System, names: Sequence[str] | None) -> tuple[Insiders, ...]:
    """The insiders of the names given (`outsider` is always examined); None for all that the cells tell of.

    Raises EngineError for a name that is not known, and for one whose columns the cells do not have: an attacker that
    cannot be examined must not seem to have been.
    """
    found = []
    for name in _asked(names):
        if name not in ATTACKERS:
            continue
        insiders = ATTACKERS[name](system)
        if names is not None and insiders.column not in system.columns:
            raise EngineError(f"attackers: {name} needs the column `{insiders.column}` in cells; there is none")
        if (insiders.knows >= 0).any():
            found.append(insiders)
    return tuple(found)


def named_readers(judge: Judge | None, names: Sequence[str] | None) -> tuple[Reader, ...]:
    """The readers of the names given; None for unions, where there are rules to judge them by (`judge`).

    Raises EngineError for a name that is not known and for a reader that needs rules and has none.
    """
    asked = [name for name in _asked(names) if name in READERS]
    return tuple(READERS[name](judge) for name in asked if names is not None or judge is not None)
