"""The only contributor to one suppressed cell, who knows that cell and no other (the classical singleton)."""

from __future__ import annotations

import numpy as np

from sdc.engine.insiders import Insiders
from sdc.engine.system import System


def insiders(system: System) -> Insiders:
    """One insider for each cell with a single `contributor`; what belongs to the same contributor is no leak."""
    alone = np.where(system.contributor >= 0, np.arange(system.n), -1)
    return Insiders("singletons", "contributor", knows=alone, unit=system.contributor)
