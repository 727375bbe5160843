"""A holding that knows every cell made up by its own enterprises alone, all of them together."""

from __future__ import annotations

from sdc.engine.insiders import Insiders
from sdc.engine.system import System


def insiders(system: System) -> Insiders:
    """Insiders are the values of the cells' column `holding`: the only holding with a contribution to the cell."""
    return Insiders("holdings", "holding", knows=system.holding, unit=system.holding)
