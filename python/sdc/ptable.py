"""Perturbation tables for the cell-key method: unbiased noise, bounded, of a given variance, otherwise as random as
possible.

For each true count n the noise v has mean 0, variance as asked, |v| <= bound, and n + v is 0 or at least `smallest`,
so that no count below it is ever published; among all such distributions it is the one of maximum entropy, p(v)
proportional to exp(a v + b v^2) (Giessing 2016, *Computational issues in the design of transition probabilities and
disclosure risk estimation for additive noise*; Marley & Leaver 2011; Fraser & Wooton 2005 for the cell key). Where a
small count does not allow the variance, the nearest possible variance is taken. Probabilities become whole numbers of
the cell keys 0, 1, ... such that the mean is exactly 0. From n = bound + smallest on, all rows are alike: the last
row serves all larger counts.

Columns `pcv, ckey, pvalue` are those of the ONS package `cell-key-perturbation`.

    python -m sdc.ptable --bound 5 --variance 3 --smallest 3 --output seeds/ptables/ptable_5_3.csv
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp, minimize


def transition(count: int, bound: int, variance: float, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise values [k], ascending, and their probabilities [k] for one true count.

    Raises ValueError where the count allows no noise with mean 0.
    """
    noise = np.array([v for v in range(-bound, bound + 1) if count + v == 0 or count + v >= smallest])
    if not (noise.min() <= 0 <= noise.max()):
        raise ValueError(
            f"ptable: a count of {count} cannot be perturbed without bias: a bound of {bound} is too small for a least "
            f"published count of {smallest}; take a larger bound"
        )
    mean = np.vstack([np.ones(len(noise)), noise])
    reach = [linprog(sign * noise**2, A_eq=mean, b_eq=[1, 0], bounds=(0, 1)) for sign in (1, -1)]
    least, most = reach[0].fun, -reach[1].fun
    if variance <= least + 1e-9:
        return noise, reach[0].x
    if variance >= most - 1e-9:
        return noise, reach[1].x
    moments = np.vstack([noise, noise**2]) / bound**2

    def dual(weights: np.ndarray) -> float:
        """Convex; at its minimum the distribution has the two moments."""
        exponent = weights @ moments
        peak = exponent.max()
        return peak + np.log(np.exp(exponent - peak).sum()) - weights[1] * variance / bound**2

    weights = minimize(dual, np.zeros(2), method="BFGS", options={"gtol": 1e-10}).x
    probability = np.exp(weights @ moments - (weights @ moments).max())
    return noise, probability / probability.sum()


def keys_of(noise: np.ndarray, probability: np.ndarray, keys: int) -> np.ndarray:
    """How many of the cell keys each noise value gets [k]: nearest to the probabilities, with mean exactly 0."""
    count = len(noise)
    wanted = probability * keys
    # columns: the numbers of keys, then their distances from what is wanted
    matrix = np.block([[np.eye(count), -np.eye(count)], [np.eye(count), np.eye(count)]])
    found = milp(
        np.concatenate([np.zeros(count), np.ones(count)]),
        constraints=[
            LinearConstraint(
                np.vstack([np.r_[np.ones(count), np.zeros(count)], np.r_[noise, np.zeros(count)]]), [keys, 0], [keys, 0]
            ),
            LinearConstraint(matrix[:count], -np.inf, wanted),
            LinearConstraint(matrix[count:], wanted, np.inf),
        ],
        integrality=np.r_[np.ones(count), np.zeros(count)],
    )
    if found.x is None:
        raise ValueError(f"ptable: {keys} keys cannot carry an unbiased distribution over {noise.tolist()}; take more")
    return np.round(found.x[:count]).astype(int)


def rows(bound: int, variance: float, smallest: int = 1, keys: int = 256) -> list[tuple[int, int, int]]:
    """The p-table as (pcv, ckey, pvalue), for counts 1 to bound + smallest; the last row serves all larger counts.

    Raises ValueError, naming the argument, where no such table exists.
    """
    for name, value, least in (("bound", bound, 1), ("smallest", smallest, 1), ("keys", keys, 2)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"ptable: `{name}` must be a whole number, {least} or more; got: {value}")
    if not 0 < variance <= bound**2:
        raise ValueError(
            f"ptable: `variance` must be above 0 and at most the bound's square {bound**2}; got: {variance}"
        )
    table = []
    for count in range(1, bound + smallest + 1):
        noise, probability = transition(count, bound, variance, smallest)
        values = np.repeat(noise, keys_of(noise, probability, keys))
        table += [(count, key, int(value)) for key, value in enumerate(values)]
    return table


def write(path: Path, table: list[tuple[int, int, int]]) -> None:
    """Write a p-table as a seed."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        lines = csv.writer(handle, lineterminator="\n")
        lines.writerow(["pcv", "ckey", "pvalue"])
        lines.writerows(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a perturbation table for the cell-key method.")
    parser.add_argument("--bound", type=int, default=5, help="no count moves by more")
    parser.add_argument("--variance", type=float, default=3.0, help="of the noise, where the count allows it")
    parser.add_argument("--smallest", type=int, default=3, help="the least count but 0 that may be published")
    parser.add_argument("--keys", type=int, default=256, help="256 or 4096")
    parser.add_argument("--output", type=Path, default=Path("seeds/ptables/ptable_5_3.csv"))
    arguments = parser.parse_args()
    write(arguments.output, rows(arguments.bound, arguments.variance, arguments.smallest, arguments.keys))


if __name__ == "__main__":
    main()
