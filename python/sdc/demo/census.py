"""Synthetic persons with the columns and codes of the 2011 Census microdata teaching file.

No person in it exists: numbers start at 1, millions below those of the file, and ``source_sample`` says ``synthetic``.
Its shape follows the file's representative sample (seed ``census_2011_persons_by_pairs``): each variable is drawn from
its distribution given one other, such as religion given ethnic group and ethnic group given region, and independently
of all others.  As in the file, ``-9`` is "no code required": all variables of students who live away during
term-time, and of a few children; work for people under 16 and those who never worked; and the family of people who
live in communal establishments and of short-term residents.

Columns: ``person_id``, ``region``, ``residence_type``, ``family_composition``, ``population_base``, ``sex``, ``age``,
``marital_status``, ``student``, ``country_of_birth``, ``health``, ``ethnic_group``, ``religion``,
``economic_activity``, ``occupation``, ``industry``, ``hours_worked_per_week``, ``approximated_social_grade``,
``source_sample``.

The same arguments and library versions give the same bytes.  Command line::

    python -m sdc.demo.census --persons 20000 --seed 2011 --output data/census_teaching.parquet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sdc.demo.calibration import read_records
from sdc.demo.files import write_table

DEFAULT_PERSONS = 20_000
MAXIMUM_PERSONS = 1_000_000
DEFAULT_SEED = 2011

CODE = "U9"
"""NumPy's type of a code while it is drawn: as wide as that of a region."""
NOT_REQUIRED = "-9"
USUAL_RESIDENT, STUDENT_AWAY, SHORT_TERM = "1", "2", "3"

# Shares per 10,000 persons of the representative sample.
POPULATION_BASES = {USUAL_RESIDENT: 9_835, STUDENT_AWAY: 127, SHORT_TERM: 38}
CHILDREN_WITHOUT_CODES = 2
"""Children among usual residents who have no codes, per 10,000 children: some schoolchildren who live away."""

STUDENT_AGE = "2"
CHILD = "1"

COLUMNS = (
    "region", "residence_type", "family_composition", "population_base", "sex", "age", "marital_status", "student",
    "country_of_birth", "health", "ethnic_group", "religion", "economic_activity", "occupation", "industry",
    "hours_worked_per_week", "approximated_social_grade",
)  # fmt: skip
TEXT = ("region", "residence_type")
OF_STUDENTS_AWAY = ("region", "residence_type", "population_base", "sex", "age", "marital_status", "student")
"""What is coded even for students away from home; all else needs no code."""


def generate(persons: int = DEFAULT_PERSONS, seed: int = DEFAULT_SEED, seeds: Path | None = None) -> pa.Table:
    """Return ``persons`` synthetic persons, ordered by number.

    ``seed`` fixes every draw; ``seeds`` is the folder with the calibration figures (default: the project's
    own). Raises ``ValueError`` when ``persons`` is not between 1 and 1 million.
    """
    if not 1 <= persons <= MAXIMUM_PERSONS:
        raise ValueError(f"persons must be between 1 and {MAXIMUM_PERSONS:,}, got {persons:,}")
    rng = np.random.default_rng(seed)
    drawn = {"population_base": _draw(rng, persons, POPULATION_BASES)}
    for (given, variable), shares in _pairs(seeds).items():
        if given not in drawn:
            totals = {code: sum(counts.values()) for code, counts in shares.items()}
            drawn[given] = _draw(rng, persons, totals)
        drawn[variable] = _draw_given(rng, drawn[given], shares)
    # Among usual residents those without a family type live in communal establishments.
    drawn["residence_type"] = np.where(drawn["family_composition"] == NOT_REQUIRED, "C", "H")
    _leave_out_codes(rng, drawn)
    columns = {"person_id": pa.array(np.arange(1, persons + 1))}
    for name in COLUMNS:
        values = drawn[name] if name in TEXT else drawn[name].astype(np.int64)
        columns[name] = pa.array(values.astype(object) if name in TEXT else values)
    columns["source_sample"] = pa.repeat(pa.scalar("synthetic"), persons)
    return pa.table(columns)


def _pairs(seeds: Path | None) -> dict[tuple[str, str], dict[str, dict[str, int]]]:
    """{(given, variable): {code of given: {code: persons}}}, in the order in which to draw."""
    pairs: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for row in read_records("calibration/census_2011_persons_by_pairs", seeds):
        shares = pairs.setdefault((row["given"], row["variable"]), {}).setdefault(row["given_code"], {})
        shares[row["code"]] = int(row["persons"])
    return pairs


def _draw(rng: np.random.Generator, size: int, shares: dict[str, int]) -> np.ndarray:
    weights = np.array(list(shares.values()), dtype=np.float64)
    return np.array(list(shares), dtype=CODE)[rng.choice(len(shares), size=size, p=weights / weights.sum())]


def _draw_given(rng: np.random.Generator, given: np.ndarray, shares: dict[str, dict[str, int]]) -> np.ndarray:
    drawn = np.empty(given.size, dtype=CODE)
    for code, counts in shares.items():
        chosen = given == code
        drawn[chosen] = _draw(rng, int(chosen.sum()), counts)
    return drawn


def _leave_out_codes(rng: np.random.Generator, drawn: dict[str, np.ndarray]) -> None:
    """Put ``-9`` where no code is required of a person, though the draws gave one."""
    away = drawn["population_base"] == STUDENT_AWAY
    drawn["age"][away], drawn["marital_status"][away], drawn["student"][away] = STUDENT_AGE, "1", "1"
    children = (drawn["age"] == CHILD) & (drawn["population_base"] == USUAL_RESIDENT)
    without = away | (children & (rng.random(away.size) < CHILDREN_WITHOUT_CODES / 10_000))
    for name in drawn:
        if name not in OF_STUDENTS_AWAY:
            drawn[name][without] = NOT_REQUIRED
    no_family = (drawn["residence_type"] == "C") | (drawn["population_base"] == SHORT_TERM)
    for name in ("family_composition", "approximated_social_grade"):
        drawn[name][no_family] = NOT_REQUIRED


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write synthetic persons shaped like the census teaching file.")
    parser.add_argument("--persons", type=int, default=DEFAULT_PERSONS, help="number of persons")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the random generator")
    parser.add_argument("--seeds", type=Path, default=None, help="folder with the calibration figures")
    parser.add_argument("--output", type=Path, required=True, help="file to write: .parquet or .csv")
    options = parser.parse_args(arguments)
    table = generate(options.persons, options.seed, options.seeds)
    write_table(table, options.output)
    print(f"{options.output}: {table.num_rows:,} persons")


if __name__ == "__main__":
    main()
