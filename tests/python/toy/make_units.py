"""The toy register: 601 shops of 241 owners, seeded; some cells are small on purpose, one shop is planted.

The planted shop is alone in its cell: none of its fields may ever be found outside the restricted database.
"""

import csv
import random
from pathlib import Path

PLANTED = {
    "shop_id": "shop-PLANTED-7",
    "owner_id": "owner-PLANTED-7",
    "owner_name": "PLANTED LTD",
    "turnover": "77712345.67",
}


def write(path: Path, seed: int = 1) -> None:
    draw = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    areas = ["N1", "N2", "N3", "S1", "S2", "S3"]
    with open(path, "w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle)
        rows.writerow(["period", "shop_id", "owner_id", "owner_name", "area", "size_band", "turnover"])
        for number in range(600):
            owner = draw.randrange(240)
            period = "2024" if number % 2 else "2025"
            area = draw.choices(areas, weights=[30, 20, 2, 25, 10, 1])[0]
            size = draw.choices(["0-9", "10-49", "50+"], weights=[60, 25, 4])[0]
            turnover = round(draw.lognormvariate(5, 1), 2)
            rows.writerow(
                [
                    period,
                    f"shop{number:04d}",
                    f"owner{owner:03d}",
                    f"PLANTED NAME {owner}",
                    area,
                    size,
                    turnover,
                ]
            )
        rows.writerow(
            [
                "2025",
                *[PLANTED[f] for f in ("shop_id", "owner_id", "owner_name")],
                "S3",
                "50+",
                PLANTED["turnover"],
            ]
        )
