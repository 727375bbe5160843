"""G-Confid (Statistics Canada), PyPI package ``gconfid``: the Suppression module with its default cost, the
cell's size.

G-Confid minimises over linear variations: a sensitive cell must be able to move by ``Sensitivity /
constraint_scale`` while any cell moves by at most ``TotalNoise / constraint_scale``. With the scale at 1, the
cell's value as noise and its level as sensitivity, that is our attack model. A count without level asks for a
movement of one. Cells of zero take no part (the tool demands positive noise), and neither do relations that
have only such cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..exchange import Table


def suppress(table: Table) -> dict[int, str]:
    """The tool's own call; raises RuntimeError when its solver fails."""
    from gconfid import Suppression

    cells = table.cells.to_pandas()
    level = cells["upl"].clip(lower=1e-6) if "upl" in cells else pd.Series(1.0, index=cells.index)
    primary = cells["status"] == "primary"
    used = cells["value"] > 0
    incell = pd.DataFrame(
        {
            "CellId": cells["cell_id"] + 1.0,
            "TotalNoise": cells["value"],
            "Sensitivity": np.where(primary, np.minimum(level, cells["value"]), 0.0),
            "Status": np.where(primary, "S", "V"),
            "Type": "C",
        }
    )[used]
    relations = table.relations.to_pandas()
    relations = relations[relations["cell_id"].isin(cells["cell_id"][used])]
    constraints = pd.DataFrame(
        {
            "ConstraintId": relations["relation_id"] + 1.0,
            "CellId": relations["cell_id"] + 1.0,
            "Coefficient": -relations["coefficient"].astype(int),  # the tool wants exactly one -1, at the total
        }
    )
    done = Suppression(incell=incell, inconstraint=constraints, constraint_scale=1)
    if done.outsuppress is None:
        raise RuntimeError("gconfid: the solver failed")
    out = done.outsuppress
    out = out if isinstance(out, pd.DataFrame) else out.to_pandas()
    hidden = set((out["CellId"][out["OutStatus"] == "X"] - 1).astype(int))
    return {
        int(cell): "primary" if sensitive else "secondary" if int(cell) in hidden else "safe"
        for cell, sensitive in zip(cells["cell_id"], primary, strict=True)
    }
