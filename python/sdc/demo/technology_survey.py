"""A synthetic survey of technology adoption: a stratified sample of the enterprises of a business register.

No answer in it is real.  Its frame is the last period of a register as `sdc.demo.register` makes it, so that its
estimates can be compared with the register's counts:

- **Strata** are industry (digital sub-sector, or SIC section of all other classes) by employment size band of the
  enterprise.  The sample is allotted in proportion to the square root of a stratum's employment (a power allocation,
  Bankier 1988), twice as much to the digital sector, and at least ``LEAST_PER_STRATUM`` enterprises, or all there are.
- **Unit nonresponse**: the larger an enterprise, the likelier it answers; of each stratum at least one does.
  Those that do not are not in the file.
- **Weights** are those of the design corrected for nonresponse: enterprises of the stratum in the register divided by
  its respondents, so that they add up to the register's count in each stratum (to six decimals each).
- **Answers**, yes or no to each of ``TECHNOLOGIES``: likelier in larger and in digital enterprises, and in those
  that use other technologies already. The shares are invented, of the size that surveys of businesses find.
- **Item nonresponse**: a few answers in a hundred are missing (NULL).

Columns: ``period``, ``enterprise_reference``, ``enterprise_group_reference``, ``sic2007_class`` (four digits, of the
enterprise), ``itl3_code`` (of its headquarters), ``employment`` (persons), ``stratum``, ``weight`` (decimal), and a
boolean ``uses_...`` for each technology. Ordered by enterprise.

The same arguments and library versions give the same bytes, whatever the order of the register's rows.  Command
line::

    python -m sdc.demo.technology_survey --register data/business_register.parquet \\
        --output data/technology_survey.parquet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sdc.demo.calibration import read_records
from sdc.demo.files import write_table

DEFAULT_SAMPLE = 15_000
DEFAULT_SEED = 2024

LEAST_PER_STRATUM = 25
DIGITAL_SHARE = 2.0
RESPONSE_OF_SMALLEST = 0.45
RESPONSE_OF_LARGEST = 0.75
ITEM_NONRESPONSE = 0.04


@dataclass(frozen=True)
class Technology:
    """Log-odds of a yes: of a small enterprise outside the digital sector, and what size and sector add."""

    name: str
    base: float
    per_size: float
    digital: float


TECHNOLOGIES = (
    Technology("uses_artificial_intelligence", -2.9, 0.30, 1.6),
    Technology("uses_cloud_computing", -0.3, 0.40, 1.5),
    Technology("uses_data_analytics", -2.2, 0.45, 1.0),
    Technology("uses_internet_of_things", -2.6, 0.35, 0.4),
    Technology("uses_robotics", -4.2, 0.50, -0.3),
)
ADOPTION_SPREAD = 0.8
"""Standard deviation of the log-odds that the answers of an enterprise have in common."""

REGISTER_COLUMNS = (
    "period",
    "enterprise_reference",
    "enterprise_group_reference",
    "enterprise_sic2007_class",
    "itl3_code",
    "is_headquarters",
    "employment",
)


def generate(
    register: pa.Table, sample: int = DEFAULT_SAMPLE, seed: int = DEFAULT_SEED, seeds: Path | None = None
) -> pa.Table:
    """Return the respondents of a sample of about ``sample`` enterprises of the last period of ``register``.

    ``seed`` fixes every draw; ``seeds`` is the folder with the classifications (default: the project's own).
    Raises ``ValueError`` when ``sample`` is not positive, or ``register`` is empty or lacks a column.
    """
    if sample < 1:
        raise ValueError(f"sample must be at least 1, got {sample:,}")
    missing = sorted(set(REGISTER_COLUMNS) - set(register.column_names))
    if missing:
        raise ValueError(f"register has no column {', '.join(missing)}")
    if not register.num_rows:
        raise ValueError("register has no rows")
    rng = np.random.default_rng(seed)
    frame = _frame(register)
    employment = frame["employment"].to_numpy()
    industry, digital = _industries(frame["enterprise_sic2007_class"].to_pylist(), seeds)
    bands = read_records("classifications/size_bands", seeds)
    band = np.searchsorted([int(row["lowest"]) for row in bands], employment, side="right") - 1
    strata, stratum = np.unique(
        [f"{code}, {bands[place]['size_band']}" for code, place in zip(industry, band, strict=True)],
        return_inverse=True,
    )

    drawn = _draw(rng, stratum, _allotted(stratum, employment, digital, sample))
    responds = _response(rng, stratum, drawn, band / (len(bands) - 1))
    respondents = np.flatnonzero(responds)
    size = np.bincount(stratum, minlength=strata.size)
    answered = np.bincount(stratum[respondents], minlength=strata.size)
    weight = size[stratum[respondents]] / answered[stratum[respondents]]

    asked = frame.take(pa.array(respondents))
    return pa.table(
        {
            "period": asked["period"],
            "enterprise_reference": asked["enterprise_reference"],
            "enterprise_group_reference": asked["enterprise_group_reference"],
            "sic2007_class": asked["enterprise_sic2007_class"],
            "itl3_code": asked["itl3_code"],
            "employment": asked["employment"].cast(pa.int32()),
            "stratum": pa.array(strata[stratum[respondents]].tolist(), pa.string()),
            "weight": pa.array(weight).cast(pa.decimal128(18, 6)),
            **_answers(rng, employment[respondents], digital[respondents]),
        }
    )


def _frame(register: pa.Table) -> pa.Table:
    """Enterprises of the last period: what their headquarters say, and their employment over all local units."""
    last = register.filter(pc.equal(register["period"], pc.max(register["period"])))
    total = last.group_by("enterprise_reference").aggregate([("employment", "sum")])
    headquarters = last.filter(last["is_headquarters"]).drop_columns(["employment", "is_headquarters"])
    frame = headquarters.select([name for name in REGISTER_COLUMNS if name in headquarters.column_names])
    frame = frame.join(total, "enterprise_reference").rename_columns({"employment_sum": "employment"})
    return frame.sort_by("enterprise_reference").combine_chunks()


def _industries(classes: Sequence[str], seeds: Path | None) -> tuple[list[str], np.ndarray]:
    """Industry of each class of four digits, and whether it is digital."""
    parent = {
        row["code"].replace(".", ""): row["parent"] for row in read_records("classifications/industry_hierarchy", seeds)
    }
    sub_sectors = {
        row["code"]
        for row in read_records("classifications/survey_industry_hierarchy", seeds)
        if row["parent"] == "Digital"
    }
    industry = [parent[code] for code in classes]
    return industry, np.array([code in sub_sectors for code in industry])


def _allotted(stratum: np.ndarray, employment: np.ndarray, digital: np.ndarray, sample: int) -> np.ndarray:
    """How many enterprises of each stratum are asked."""
    size = np.bincount(stratum)
    power = np.sqrt(np.bincount(stratum, weights=employment + 1))
    power *= np.where(np.bincount(stratum, weights=digital) > 0, DIGITAL_SHARE, 1.0)
    wanted = np.rint(sample * power / power.sum()).astype(np.int64)
    return np.minimum(size, np.maximum(wanted, LEAST_PER_STRATUM))


def _draw(rng: np.random.Generator, stratum: np.ndarray, allotted: np.ndarray) -> np.ndarray:
    """Mask of a simple random sample of each stratum."""
    order = np.lexsort((rng.random(stratum.size), stratum))
    first = np.searchsorted(stratum[order], np.arange(allotted.size))
    drawn = np.zeros(stratum.size, dtype=bool)
    drawn[order] = np.arange(stratum.size) - first[stratum[order]] < allotted[stratum[order]]
    return drawn


def _response(rng: np.random.Generator, stratum: np.ndarray, drawn: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Mask of those drawn that answer, at least one of each stratum; ``size`` is 0 for the smallest and 1 for the
    largest.
    """
    chance = RESPONSE_OF_SMALLEST + (RESPONSE_OF_LARGEST - RESPONSE_OF_SMALLEST) * size
    responds = drawn & (rng.random(stratum.size) < chance)
    silent = np.flatnonzero(np.bincount(stratum, weights=responds) == 0)
    for each in silent:
        responds[np.flatnonzero(drawn & (stratum == each))[0]] = True
    return responds


def _answers(rng: np.random.Generator, employment: np.ndarray, digital: np.ndarray) -> dict[str, pa.Array]:
    """Yes, no or NULL to each question."""
    disposed = rng.normal(0, ADOPTION_SPREAD, employment.size)
    answers = {}
    for technology in TECHNOLOGIES:
        odds = technology.base + technology.per_size * np.log1p(employment) + technology.digital * digital + disposed
        yes = rng.random(employment.size) < 1 / (1 + np.exp(-odds))
        missing = rng.random(employment.size) < ITEM_NONRESPONSE
        answers[technology.name] = pa.array(yes, mask=missing)
    return answers


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write a synthetic survey of technology adoption.")
    parser.add_argument("--register", type=Path, required=True, help="register to sample from: .parquet")
    parser.add_argument("--sample", type=int, default=DEFAULT_SAMPLE, help="enterprises to ask, about")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the random generator")
    parser.add_argument("--seeds", type=Path, default=None, help="folder with the classifications")
    parser.add_argument("--output", type=Path, required=True, help="file to write: .parquet or .csv")
    options = parser.parse_args(arguments)
    table = generate(
        pq.read_table(options.register, columns=list(REGISTER_COLUMNS)), options.sample, options.seed, options.seeds
    )
    write_table(table, options.output)
    print(f"{options.output}: {table.num_rows:,} respondents")


if __name__ == "__main__":
    main()
