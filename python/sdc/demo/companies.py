"""A synthetic extract of a company register, with the columns of the South Yorkshire extract of Companies
House.

No company in it exists: numbers start with ``ZZ`` (a prefix that no registrar uses) and postcodes end in
letters that no real postcode has (C, I, K, M, O, V).  Its shape follows counts of the free company data
product of November 2024 (seeds ``companies_house_2024_*``): postcode district with local authority, first
SIC code, and year of incorporation are each drawn from the real distribution, independently of each other.
Like the real register it holds companies without a SIC code, codes that are not in SIC 2007, dormant
companies and property management companies.

Columns: ``company_number``, ``postcode``, ``post_town``, ``category``, ``status``, ``country_of_origin``,
``incorporation_date`` (up to 31 October 2024), ``lad_code``, ``lad_name``, ``sic5_1`` to ``sic5_4``,
``easting``, ``northing``.

The same arguments and library versions give the same bytes.  Command line::

    python -m sdc.demo.companies --companies 20000 --seed 2024 --output data/companies.parquet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sdc.demo.calibration import read_records
from sdc.demo.files import write_table

DEFAULT_COMPANIES = 20_000
MAXIMUM_COMPANIES = 1_000_000
DEFAULT_SEED = 2024
LAST_DAY = np.datetime64("2024-10-31")

# Shares per 10,000 companies of the November 2024 extract; rarer values are left out.
CATEGORIES = {
    "Private Limited Company": 9_590,
    "PRI/LTD BY GUAR/NSC (Private, limited by guarantee, no share capital)": 200,
    "Community Interest Company": 73,
    "PRI/LBG/NSC (Private, Limited by guarantee, no share capital, use of 'Limited' exemption)": 69,
    "Limited Liability Partnership": 51,
    "Public Limited Company": 6,
    "Limited Partnership": 6,
    "Private Unlimited Company": 5,
}
STATUSES = {
    "Active": 9_080,
    "Active - Proposal to Strike off": 673,
    "Liquidation": 240,
    "In Administration": 4,
    "Live but Receiver Manager on at least one charge": 3,
}
FURTHER_CODE_SHARES = (0.16, 0.39, 0.43)
"""Share of companies with a second SIC code, of those with a third, of those with a fourth."""

IMPOSSIBLE_LETTERS = np.array(list("CIKMOV"))


def generate(companies: int = DEFAULT_COMPANIES, seed: int = DEFAULT_SEED, seeds: Path | None = None) -> pa.Table:
    """Return ``companies`` synthetic companies, ordered by number.

    ``seed`` fixes every draw; ``seeds`` is the folder with the calibration figures (default: the project's
    own). Raises ``ValueError`` when ``companies`` is not between 1 and 1 million.
    """
    if not 1 <= companies <= MAXIMUM_COMPANIES:
        raise ValueError(f"companies must be between 1 and {MAXIMUM_COMPANIES:,}, got {companies:,}")
    rng = np.random.default_rng(seed)
    places = read_records("calibration/companies_house_2024_companies_by_district", seeds)
    codes = read_records("calibration/companies_house_2024_companies_by_sic", seeds)
    years = read_records("calibration/companies_house_2024_companies_by_year", seeds)

    place = rng.choice(len(places), size=companies, p=_shares([int(row["companies"]) for row in places]))
    sic = _draw_codes(rng, companies, [row["sic5"] for row in codes], [int(row["companies"]) for row in codes])
    columns = {
        "company_number": _numbers(companies),
        "postcode": _postcodes(rng, [row["postcode_district"] for row in places], place),
        "post_town": _take([row["lad_name"].upper() for row in places], place),
        "category": _draw(rng, companies, CATEGORIES),
        "status": _draw(rng, companies, STATUSES),
        "country_of_origin": pa.repeat(pa.scalar("United Kingdom"), companies),
        "incorporation_date": _dates(rng, companies, years),
        "lad_code": _take([row["lad_code"] for row in places], place),
        "lad_name": _take([row["lad_name"] for row in places], place),
        **{f"sic5_{position}": column for position, column in enumerate(sic, start=1)},
    }
    for axis in ("easting", "northing"):
        centre = np.array([int(row[axis]) for row in places], dtype=np.int64)[place]
        columns[axis] = pa.array(centre + rng.integers(-1_500, 1_500, companies))
    columns["northing"] = columns["northing"].cast(pa.float64())
    return pa.table(columns)


def _shares(weights: Sequence[int]) -> np.ndarray:
    array = np.asarray(weights, dtype=np.float64)
    return array / array.sum()


def _take(values: Sequence[str | None], positions: np.ndarray) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(positions))


def _draw(rng: np.random.Generator, size: int, shares: dict[str, int]) -> pa.Array:
    return _take(list(shares), rng.choice(len(shares), size=size, p=_shares(list(shares.values()))))


def _numbers(companies: int) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(np.arange(1, companies + 1)).cast(pa.string()), 6, "0")
    return pc.binary_join_element_wise("ZZ", digits, "")


def _postcodes(rng: np.random.Generator, districts: Sequence[str], place: np.ndarray) -> pa.Array:
    digit = pa.array(rng.integers(0, 10, place.size)).cast(pa.string())
    letters = [pa.array(rng.choice(IMPOSSIBLE_LETTERS, place.size).astype(object), pa.string()) for _ in range(2)]
    inward = pc.binary_join_element_wise(digit, *letters, "")
    return pc.binary_join_element_wise(_take(districts, place), inward, " ")


def _draw_codes(rng: np.random.Generator, size: int, codes: Sequence[str], companies: Sequence[int]) -> list[pa.Array]:
    """The four SIC columns: the first from the published distribution, further ones from the same, seldom."""
    names = [code or None for code in codes]
    stated = np.array([code is not None for code in names])
    weights = np.asarray(companies)
    columns = [rng.choice(len(names), size=size, p=_shares(weights))]
    present = stated[columns[0]]
    for share in FURTHER_CODE_SHARES:
        present = present & (rng.random(size) < share)
        drawn = rng.choice(len(names), size=size, p=_shares(weights * stated))
        columns.append(np.where(present, drawn, -1))
    missing = len(names)
    return [_take([*names, None], np.where(column < 0, missing, column)) for column in columns]


def _dates(rng: np.random.Generator, size: int, years: Sequence[dict[str, str]]) -> pa.Array:
    """Days of incorporation: a year from the published distribution, any day of it that the extract
    covers."""
    year = np.array([int(row["year"]) for row in years])
    drawn = year[rng.choice(year.size, size=size, p=_shares([int(row["companies"]) for row in years]))]
    first = (drawn - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    next_year = (drawn - 1969).astype("datetime64[Y]").astype("datetime64[D]")
    last = np.minimum(next_year - np.timedelta64(1, "D"), LAST_DAY)
    days = (last - first).astype(np.int64) + 1
    return pa.array(first + np.floor(rng.random(size) * days).astype("timedelta64[D]"), pa.date32())


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write a synthetic extract of a company register.")
    parser.add_argument("--companies", type=int, default=DEFAULT_COMPANIES, help="number of companies")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the random generator")
    parser.add_argument("--seeds", type=Path, default=None, help="folder with the calibration figures")
    parser.add_argument("--output", type=Path, required=True, help="file to write: .parquet or .csv")
    options = parser.parse_args(arguments)
    table = generate(options.companies, options.seed, options.seeds)
    write_table(table, options.output)
    print(f"{options.output}: {table.num_rows:,} companies")


if __name__ == "__main__":
    main()
