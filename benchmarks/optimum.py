"""How near the optimum, and what its proof costs: 50 x 50 magnitudes under p%, protected on both sides.

    python -m benchmarks.optimum                    every variant, without and with contributors as insiders
    python -m benchmarks.optimum --variant 'poisson*' --insiders off --limit 60

Variants differ in how contributors are spread over cells, how skewed they are, in p, and in whether values are whole.
The optimum is that of `method="optimal"`, and the gaps are what the other methods cost more. Seconds are CPU of the
engine's own call."""

from __future__ import annotations

import argparse
import fnmatch
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow.compute as pc

from sdc.engine import suppress

from .instances import cubes

SIZE = 50
Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def by_cell(rng: np.random.Generator, counts: np.ndarray, amounts: Callable[[int], np.ndarray], digits: int) -> Drawn:
    """Leaf, contributor and amount of each record, so many of each cell, every record of its own contributor."""
    leaf = np.repeat(np.arange(counts.size), counts.ravel())
    amount = np.maximum(np.round(amounts(leaf.size), digits), 10.0**-digits)
    return leaf, rng.permutation(leaf.size), amount


def poisson(rng: np.random.Generator, mean: float, sigma: float, digits: int = 0) -> Drawn:
    """Cells with about as many contributors each, of log-normal size."""
    counts = rng.poisson(mean, (SIZE, SIZE))
    return by_cell(rng, counts, lambda n: rng.lognormal(3.0, sigma, n), digits)


def gamma(rng: np.random.Generator, mean: float, shape: float, digits: int = 0) -> Drawn:
    """The same with sizes of a gamma distribution: skewed, but without giants."""
    counts = rng.poisson(mean, (SIZE, SIZE))
    return by_cell(rng, counts, lambda n: rng.gamma(shape, 40.0, n), digits)


def margins(rng: np.random.Generator, mean: float, sigma: float, digits: int = 0) -> Drawn:
    """Large and small rows and columns, so that primaries crowd where both are small."""
    expected = np.multiply.outer(rng.lognormal(0, 0.7, SIZE), rng.lognormal(0, 0.7, SIZE))
    counts = rng.poisson(expected * mean / expected.mean())
    return by_cell(rng, counts, lambda n: rng.lognormal(3.0, sigma, n), digits)


def clustered(rng: np.random.Generator, mean: float, sigma: float) -> Drawn:
    """Cells with few or many contributors each (negative binomial)."""
    counts = rng.negative_binomial(3, 3 / (3 + mean), (SIZE, SIZE))
    return by_cell(rng, counts, lambda n: rng.lognormal(3.0, sigma, n), 0)


def scaled(rng: np.random.Generator, mean: float, sigma: float) -> Drawn:
    """Cells of large and of small contributors."""
    counts = rng.poisson(mean, (SIZE, SIZE))
    scale = np.repeat(rng.lognormal(0, 0.8, SIZE * SIZE), counts.ravel())
    return by_cell(rng, counts, lambda n: rng.lognormal(3.0, sigma, n) * scale, 0)


def pareto(rng: np.random.Generator, mean: float, exponent: float) -> Drawn:
    """Sizes with a heavy tail and a least size, so that no cell is cheap."""
    counts = rng.poisson(mean, (SIZE, SIZE))
    return by_cell(rng, counts, lambda n: 10 * (1 + rng.pareto(exponent, n)), 0)


def shared(rng: np.random.Generator, mean: float, sigma: float) -> Drawn:
    """Contributors with records in several cells."""
    return cubes.contributions(rng, (SIZE, SIZE), int(SIZE * SIZE * mean), skew=sigma, variety=0.5)


VARIANTS: dict[str, tuple[Callable[..., Drawn], float, int]] = {
    # name: (records, p, seed)
    "shared_12_1.0_p15": (partial(shared, mean=12, sigma=1.0), 15.0, 1),
    "shared_6_1.0_p10": (partial(shared, mean=6, sigma=1.0), 10.0, 2),
    "shared_20_1.5_p20": (partial(shared, mean=20, sigma=1.5), 20.0, 3),
    "poisson_5_0.8_p15": (partial(poisson, mean=5, sigma=0.8), 15.0, 4),
    "poisson_8_1.0_p15": (partial(poisson, mean=8, sigma=1.0), 15.0, 5),
    "poisson_12_1.5_p10": (partial(poisson, mean=12, sigma=1.5), 10.0, 6),
    "poisson_12_1.5_p20": (partial(poisson, mean=12, sigma=1.5), 20.0, 7),
    "poisson_25_1.8_p10": (partial(poisson, mean=25, sigma=1.8), 10.0, 5),
    "poisson_25_1.8_p15": (partial(poisson, mean=25, sigma=1.8), 15.0, 5),
    "poisson_25_2.0_p15": (partial(poisson, mean=25, sigma=2.0), 15.0, 8),
    "poisson_8_1.5_p10_decimal": (partial(poisson, mean=8, sigma=1.5, digits=2), 10.0, 9),
    "gamma_4_0.5_p15": (partial(gamma, mean=4, shape=0.5), 15.0, 10),
    "gamma_8_0.3_p20": (partial(gamma, mean=8, shape=0.3), 20.0, 11),
    "gamma_6_1.0_p25_decimal": (partial(gamma, mean=6, shape=1.0, digits=2), 25.0, 12),
    "margins_12_1.0_p15": (partial(margins, mean=12, sigma=1.0), 15.0, 13),
    "margins_20_1.5_p10": (partial(margins, mean=20, sigma=1.5), 10.0, 14),
    # Few primaries, whose protection costs much: the hardest to prove.
    "poisson_15_1.5_p15_110": (partial(poisson, mean=15, sigma=1.5), 15.0, 110),
    "poisson_15_1.5_p15_112": (partial(poisson, mean=15, sigma=1.5), 15.0, 112),
    "poisson_20_1.6_p10_110": (partial(poisson, mean=20, sigma=1.6), 10.0, 110),
    "poisson_20_1.6_p10_111": (partial(poisson, mean=20, sigma=1.6), 10.0, 111),
    "poisson_20_1.6_p10_112": (partial(poisson, mean=20, sigma=1.6), 10.0, 112),
    "clustered_20_1.5_p10_110": (partial(clustered, mean=20, sigma=1.5), 10.0, 110),
    "scaled_12_1.2_p15_110": (partial(scaled, mean=12, sigma=1.2), 15.0, 110),
    "scaled_12_1.2_p15_111": (partial(scaled, mean=12, sigma=1.2), 15.0, 111),
    "pareto_12_1.5_p15_110": (partial(pareto, mean=12, exponent=1.5), 15.0, 110),
    "pareto_12_1.5_p15_111": (partial(pareto, mean=12, exponent=1.5), 15.0, 111),
}
METHODS = ("heuristic", "auto")
HEADINGS = ("variant", "insiders", "primaries", "optimum", "bound", "proven", "CPU s")
HEADINGS += tuple(heading for method in METHODS for heading in (f"{method} CPU s", "gap"))


def build(name: str) -> cubes.Cube:
    """The table of a variant."""
    records, percent, seed = VARIANTS[name]
    return cubes.magnitude_cube([cubes.flat(SIZE)] * 2, *records(np.random.default_rng(seed)), percent=percent)


def measure(cube: cubes.Cube, method: str, **options: object) -> tuple[float, float, dict]:
    """Value of the secondaries, CPU seconds, and what the result says of itself."""
    began = time.process_time()
    pattern = suppress(cube.cells, cube.relations, method=method, **options)
    seconds = time.process_time() - began
    secondary = pc.equal(pattern["status"], "secondary")
    order = pc.sort_indices(cube.cells["cell_id"])
    values = cube.cells["value"].take(order).filter(secondary)
    said = {name.decode(): text.decode() for name, text in pattern.schema.metadata.items()}
    return float(pc.sum(values).as_py() or 0.0), seconds, said


def line(name: str, insiders: str, limit: float | None) -> tuple[str, ...]:
    """One line of the table."""
    cube = build(name)
    attackers = ["outsider"] if insiders == "off" else None
    primaries = cube.cells["status"].to_pylist().count("primary")
    best, seconds, said = measure(cube, "optimal", attackers=attackers, time_limit=limit)
    out = [name, insiders, str(primaries), f"{best:,.0f}", f"{float(said['bound']):,.0f}"]
    out += ["yes" if said["proven"] == "True" else f"{float(said['gap']):.1%}", f"{seconds:.1f}"]
    for method in METHODS:
        value, seconds, _ = measure(cube, method, attackers=attackers)
        out += [f"{seconds:.1f}", f"{value / best - 1:.1%}" if best else "0.0%"]
    return tuple(out)


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimum", description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="*", help="variants by wildcard")
    parser.add_argument("--insiders", choices=("on", "off", "both"), default="both")
    parser.add_argument("--limit", type=float, help="seconds for the optimum; none: until it is proven")
    asked = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    for name in fnmatch.filter(VARIANTS, asked.variant):
        for insiders in ("off", "on") if asked.insiders == "both" else (asked.insiders,):
            print("| " + " | ".join(line(name, insiders, asked.limit)) + " |", flush=True)


if __name__ == "__main__":
    main()
