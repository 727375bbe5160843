"""A contributor who knows every cell it makes up alone, all of them together."""

from __future__ import annotations

from sdc.engine.insiders import Insiders
from sdc.engine.system import System


def insiders(system: System) -> Insiders:
    """Insiders are the values of the cells' column `contributor`."""
    return Insiders("contributors", "contributor", knows=system.contributor, unit=system.contributor)
