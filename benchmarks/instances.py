"""Seeded benchmark instances, built by the generators of the test oracle (``tests/python/oracle/cubes.py``).

Sizes and rules are those at which the peers have been measured; the seeds are our own, so figures compare
between tools in one table of results and not with figures quoted elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# The generators and the attacker are the tests' own, which live outside any installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))

from oracle import cubes  # noqa: E402


@dataclass(frozen=True)
class Instance:
    """A named table: how to build it, and whether it belongs to the quick selection."""

    name: str
    description: str
    build: Callable[[], cubes.Cube]
    quick: bool = True


def _spread(total: int, parts: int) -> list[int]:
    """``parts`` group sizes, unequal and deterministic, that add up to ``total``, each at least one."""
    weights = np.linspace(0.4, 1.6, parts)
    ends = np.rint(np.cumsum(weights) / weights.sum() * (total - parts)).astype(int)
    return (np.diff(ends, prepend=0) + 1).tolist()


def nested(*widths: int) -> cubes.Dimension:
    """A tree with the given number of codes on each level from the leaves to below the total, groups of
    unequal size.
    """
    splits: list[tuple[int, tuple[int, ...]]] = []
    start = 0
    for below, above in zip(widths, [*widths[1:], 1], strict=True):
        parent, child = start + below, start
        for size in _spread(below, above):
            splits.append((parent, tuple(range(child, child + size))))
            parent, child = parent + 1, child + size
        start += below
    return cubes.Dimension(widths[0], tuple(splits))


def _margin(rng: np.random.Generator, size: int, sigma: float) -> np.ndarray:
    return rng.lognormal(0.0, sigma, size)


def _popular(rng: np.random.Generator, shape: tuple[int, ...], mean: float, sigma: float) -> np.ndarray:
    """Expected counts: a product of skewed margins times noise of its own, as areas by industries by sizes
    have.
    """
    product = np.ones(())
    for size in shape:
        product = np.multiply.outer(product, _margin(rng, size, 1.0))
    expected = product * rng.lognormal(0.0, sigma, shape)
    return expected * mean / expected.mean()


def two_way(rows: int, columns: int, mean: float, seed: int) -> cubes.Cube:
    """Counts of a two-way table, Poisson with one mean, T=5: few primaries, some alone in their line."""
    leaves = np.random.default_rng(seed).poisson(mean, (rows, columns))
    return cubes.count_cube([cubes.flat(rows), cubes.flat(columns)], leaves, threshold=5)


def two_way_skewed(rows: int, columns: int, seed: int) -> cubes.Cube:
    """Counts of a two-way table with skewed margins, threshold 5: many zeros and primaries in the thin
    corner.
    """
    rng = np.random.default_rng(seed)
    leaves = rng.poisson(_popular(rng, (rows, columns), 40.0, 0.8))
    return cubes.count_cube([cubes.flat(rows), cubes.flat(columns)], leaves, threshold=5)


def hierarchical(dimensions: list[cubes.Dimension], mean: float, threshold: float, seed: int) -> cubes.Cube:
    """Counts over a hierarchical cube, skewed margins, all cells listed."""
    rng = np.random.default_rng(seed)
    shape = tuple(dimension.leaves for dimension in dimensions)
    return cubes.count_cube(dimensions, rng.poisson(_popular(rng, shape, mean, 1.0)), threshold)


def hierarchical_magnitudes(dimensions: list[cubes.Dimension], records: int, seed: int, **options: float) -> cubes.Cube:
    """Magnitudes over a hierarchical cube under p%, with contributors that span cells."""
    rng = np.random.default_rng(seed)
    microdata = cubes.contributions(rng, [dimension.leaves for dimension in dimensions], records)
    return cubes.magnitude_cube(dimensions, *microdata, **options)


def two_way_magnitudes(rows: int, columns: int, seed: int) -> cubes.Cube:
    """Magnitudes of a two-way table under p% with p = 15, protected on both sides; about one cell in twenty
    primary.
    """
    rng = np.random.default_rng(seed)
    microdata = cubes.contributions(rng, (rows, columns), rows * columns * 12, skew=1.0, variety=0.5)
    return cubes.magnitude_cube([cubes.flat(rows), cubes.flat(columns)], *microdata, percent=15.0)


def medium() -> list[cubes.Dimension]:
    """The dimensions of the instances of 35,316 cells."""
    return [nested(96, 12), nested(44, 9), cubes.flat(5)]  # 109 x 54 x 6 = 35,316 cells


def _large() -> list[cubes.Dimension]:
    return [nested(182, 44, 9), nested(270, 88, 20), cubes.flat(5)]  # 236 x 379 x 6 = 536,664 cells


def known_zeros() -> cubes.Cube:
    """A sparse cube whose zeros are published, so that the attacker takes hidden counts for at least 1."""
    dimensions = [nested(60, 12), nested(120, 30), cubes.flat(4)]
    rng = np.random.default_rng(14)
    leaves = rng.poisson(_popular(rng, (60, 120, 4), 1.2, 1.0))
    return cubes.count_cube(dimensions, leaves, threshold=3, sparse=True, lower=1.0)


def _uniform(dimensions: int, leaves: int, mean: float, seed: int) -> cubes.Cube:
    counts = np.random.default_rng(seed).negative_binomial(1, 1 / (1 + mean), (leaves,) * dimensions)
    return cubes.count_cube([cubes.flat(leaves)] * dimensions, counts, threshold=4)


INSTANCES = {
    instance.name: instance
    for instance in (
        Instance("counts_2d_50", "2-D counts 50 x 50, T=5", lambda: two_way(50, 50, 12.4, 1)),
        Instance("counts_2d_200", "2-D counts 200 x 200, T=5", lambda: two_way(200, 200, 12.4, 2)),
        Instance(
            "counts_2d_200_skewed",
            "2-D counts 200 x 200 with skewed margins, T=5",
            lambda: two_way_skewed(200, 200, 3),
        ),
        Instance("counts_2d_1000", "2-D counts 1000 x 1000, T=5", lambda: two_way(1000, 1000, 12.4, 4), quick=False),
        Instance(
            "counts_3d_35k",
            "3-D hierarchical counts, 35,316 cells, T=5",
            lambda: hierarchical(medium(), 12.0, 5, 5),
        ),
        Instance(
            "counts_3d_537k",
            "3-D hierarchical counts, 536,664 cells, T=10",
            lambda: hierarchical(_large(), 4.5, 10, 6),
            quick=False,
        ),
        Instance(
            "counts_known_zeros",
            "3-D hierarchical counts, sparse, zeros published (lower bound 1), T=3",
            known_zeros,
        ),
        Instance("counts_5d", "5-D counts 3^5, T=4", lambda: _uniform(5, 3, 8.0, 7)),
        Instance("counts_7d", "7-D counts 2^7, T=4", lambda: _uniform(7, 2, 8.0, 8)),
        Instance("counts_8d", "8-D counts 2^8, T=4", lambda: _uniform(8, 2, 8.0, 15), quick=False),
        Instance("magnitudes_2d_50", "2-D magnitudes 50 x 50, p%", lambda: two_way_magnitudes(50, 50, 9)),
        *(
            Instance(
                f"magnitudes_2d_50_{seed}",
                "2-D magnitudes 50 x 50, p%, for averages over seeds",
                lambda seed=seed: two_way_magnitudes(50, 50, seed),
                quick=False,
            )
            for seed in range(16, 20)
        ),
        Instance(
            "magnitudes_3d_35k",
            "3-D hierarchical magnitudes, 35,316 cells, p%",
            lambda: hierarchical_magnitudes(medium(), 90_000, 10, percent=10.0),
            quick=False,
        ),
        Instance(
            "magnitudes_3d_537k",
            "3-D hierarchical magnitudes, 536,664 cells, p%",
            lambda: hierarchical_magnitudes(_large(), 700_000, 11, percent=10.0),
            quick=False,
        ),
        Instance("small_counts", "2-D counts 8 x 6, T=5", lambda: two_way(8, 6, 9.0, 12)),
        Instance("small_magnitudes", "2-D magnitudes 8 x 6, p%", lambda: two_way_magnitudes(8, 6, 13)),
    )
}
