"""A synthetic business register of the UK's shape: local units of enterprises of enterprise groups.

Nothing in it is real: references and names are numbered, and every figure is drawn from a seeded generator.
What is real is its shape, taken from ONS, *UK business: activity, size and location 2024* (seeds
``ons_2024_*``):

- **Local units by SIC 2007 class and ITL1 area** follow table 17 (a multinomial draw over its 615 x 12
  cells), spread to ITL3 2025 areas by the shares of the class's broad industry group within the region
  (table 16, by local authority).
- **Employment** of a local unit: a size band drawn from its class's distribution (table 19), then a value
  within the band, roughly log-uniform; the open band has a Pareto tail.
- **Enterprises**: a class with E enterprises (table 4) for L local units (table 19) has L - E units to
  spare, which belong to chains.  *Some enterprises span many cells*: chain sizes are heavy-tailed (Zipf
  weights), chains of ten and more units take theirs from all over the country, small ones from neighbouring
  areas; larger units are likelier to belong to a chain, and a few units per hundred do something else than
  the rest of their enterprise (warehouses, head offices), so an enterprise can span several classes.  The
  headquarters is the unit with the largest employment.
- **Groups**: about one enterprise in twenty, the larger ones first, shares its group with others; sizes of
  groups are heavy-tailed too, and half of the groups stay within a region.  All others are a group of their
  own.
- **Turnover** of an enterprise: its rank within its class by employment and luck, read off the class's
  published distribution over ten turnover bands (table 9), which is close to lognormal; above GBP 50 million
  a Pareto tail. It is shared among the local units by employment.
- **Dominance**: in one in eight of the cells class x ITL3 area with at least three units, the largest unit's
  turnover is raised until it is 70 to 95 % of the cell's, so *some cells have one dominant enterprise*.
- **Periods**: the last one is as above; each earlier one has somewhat less of everything and lacks the units
  born since.

Columns: ``period`` (year, text), ``local_unit_reference``, ``local_unit_name``, ``enterprise_reference``,
``enterprise_name``, ``enterprise_group_reference``, ``sic2007_class`` and ``enterprise_sic2007_class`` (four
digits), ``itl3_code`` (2025), ``is_headquarters``, ``employment`` (persons), ``turnover`` (decimal, GBP
thousand).

The same arguments and library versions give the same bytes.  Command line::

    python -m sdc.demo.register --local-units 200000 --seed 2024 --output data/business_register.parquet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sdc.demo.calibration import CountTable, read_counts, read_records
from sdc.demo.files import write_table

DEFAULT_LOCAL_UNITS = 200_000
MAXIMUM_LOCAL_UNITS = 10_000_000
DEFAULT_SEED = 2024
DEFAULT_PERIODS = ("2024",)

SIZE_BAND_EDGES = np.array([0, 5, 10, 20, 50, 100, 250])
OPEN_BAND = len(SIZE_BAND_EDGES) - 1
SMALLEST_BAND_SHARES = np.array([0.06, 0.52, 0.22, 0.12, 0.08])
"""Shares of 0, 1, 2, 3 and 4 persons within the band 0-4."""

TURNOVER_EDGES = np.array([1, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 50_000])
"""Lower edges of the published turnover bands in GBP thousand (the first is open to zero)."""

LARGEST_UNIT = 20_000
EMPLOYMENT_TAIL = 1.3
TURNOVER_TAIL = 1.1
LARGE_CHAIN = 10
UNITS_PER_CHAIN = 6
OTHER_ACTIVITY_SHARE = 0.04
GROUPED_SHARE = 0.05
DOMINATED_SHARE = 0.125
BIRTH_SHARE = 0.05


def generate(
    local_units: int = DEFAULT_LOCAL_UNITS,
    seed: int = DEFAULT_SEED,
    periods: Sequence[str] = DEFAULT_PERIODS,
    seeds: Path | None = None,
) -> pa.Table:
    """Return the register: ``local_units`` rows for the last of ``periods``, somewhat fewer for each earlier
    one.

    ``seed`` fixes every draw; ``seeds`` is the folder with the calibration figures (default: the project's
    own). Raises ``ValueError`` when ``local_units`` is not between 1 and 10 million or ``periods`` is empty
    or repeats itself.
    """
    if not 1 <= local_units <= MAXIMUM_LOCAL_UNITS:
        raise ValueError(f"local_units must be between 1 and {MAXIMUM_LOCAL_UNITS:,}, got {local_units:,}")
    if not periods or len(set(periods)) != len(periods):
        raise ValueError(f"periods must be a non-empty list without repetition, got {list(periods)}")
    rng = np.random.default_rng(seed)

    by_region = read_counts("ons_2024_local_units_by_region", seeds)
    by_area = read_counts("ons_2024_local_units_by_area", seeds)
    unit_bands = read_counts("ons_2024_local_units_by_size_band", seeds)
    enterprise_bands = read_counts("ons_2024_enterprises_by_size_band", seeds)
    turnover_bands = read_counts("ons_2024_enterprises_by_turnover_band", seeds)

    sic, area = _place_units(rng, local_units, by_region, by_area, _itl1_of_itl3(seeds))
    employment = _draw_employment(rng, sic, unit_bands)
    enterprise = _group_units_into_enterprises(rng, sic, area, employment, unit_bands, enterprise_bands)
    headquarters = _first_of_each(enterprise, -employment)
    enterprise_sic = np.empty(headquarters.size, dtype=sic.dtype)
    enterprise_sic[enterprise[headquarters]] = sic[headquarters]
    enterprise_area = np.empty_like(enterprise_sic)
    enterprise_area[enterprise[headquarters]] = area[headquarters]
    enterprise_employment = np.bincount(enterprise, weights=employment).astype(np.int64)
    group = _group_enterprises(rng, enterprise_area, enterprise_employment)
    enterprise_turnover = _draw_turnover(rng, enterprise_sic, enterprise_employment, turnover_bands)
    turnover = _share_turnover(enterprise, employment, enterprise_employment, enterprise_turnover)
    turnover = _raise_dominant_units(rng, sic, area, turnover)

    is_headquarters = np.zeros(local_units, dtype=bool)
    is_headquarters[headquarters] = True
    tables = []
    present = np.ones(local_units, dtype=bool)
    for period in reversed(sorted(periods)):
        rows = np.flatnonzero(present)
        tables.append(
            _table(
                period, rows, enterprise, group, sic, enterprise_sic, area, is_headquarters, employment,
                turnover, by_region.rows, by_area.rows,
            )
        )  # fmt: skip
        present = present & _alive_before(rng, enterprise, is_headquarters)
        employment = np.rint(employment * np.exp(rng.normal(-0.01, 0.08, local_units))).astype(np.int64)
        turnover = turnover * np.exp(rng.normal(-0.03, 0.15, local_units))
    return pa.concat_tables(reversed(tables)).combine_chunks()


def _itl1_of_itl3(seeds: Path | None) -> dict[str, str]:
    """ITL1 code of each ITL3 code, from the hierarchy."""
    parent = {record["code"]: record["parent"] for record in read_records("classifications/area_hierarchy", seeds)}
    return {code: parent[parent[code]] for code in parent if len(code) == 5 and code.startswith("TL")}


def _place_units(
    rng: np.random.Generator,
    local_units: int,
    by_region: CountTable,
    by_area: CountTable,
    itl1: dict[str, str],
) -> tuple[np.ndarray, np.ndarray]:
    """Class and ITL3 area (positions in the tables' rows) of each local unit, ordered by class."""
    shares = by_region.values / by_region.values.sum()
    counts = rng.multinomial(local_units, shares.ravel()).reshape(shares.shape)
    divisions = np.array([int(code[:2]) for code in by_region.rows])
    region_of_area = np.array([itl1[code].lower() for code in by_area.rows])
    placed = np.zeros((len(by_region.rows), len(by_area.rows)), dtype=np.int64)
    for region_position, region in enumerate(by_region.columns):
        areas = np.flatnonzero(region_of_area == region)
        for group_position, group in enumerate(by_area.columns):
            first, *last = (int(part) for part in group.removeprefix("divisions_").split("_"))
            classes = np.flatnonzero((divisions >= first) & (divisions <= (last[0] if last else first)))
            weights = by_area.values[areas, group_position] + 1e-9
            drawn = rng.multinomial(counts[classes, region_position], weights / weights.sum())
            placed[np.ix_(classes, areas)] = drawn
    cell = np.repeat(np.arange(placed.size), placed.ravel())
    return (cell // placed.shape[1]).astype(np.int32), (cell % placed.shape[1]).astype(np.int32)


def _draw_categories(rng: np.random.Generator, row: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For each element of ``row`` draw a column of ``counts`` with the probabilities of that row."""
    cumulative = np.cumsum(counts, axis=1) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    uniform = rng.random(row.size)
    category = np.zeros(row.size, dtype=np.int8)
    for column in range(counts.shape[1] - 1):
        category += uniform >= cumulative[row, column]
    return category


def _draw_employment(rng: np.random.Generator, sic: np.ndarray, unit_bands: CountTable) -> np.ndarray:
    """Employment of each local unit, in persons."""
    counts = unit_bands.values.copy()
    counts[counts.sum(axis=1) == 0, 0] = 1
    band = _draw_categories(rng, sic, counts)
    lower = SIZE_BAND_EDGES[band].astype(np.float64)
    upper = np.append(SIZE_BAND_EDGES[1:], 0)[band]
    uniform = rng.random(sic.size)
    employment = np.empty(sic.size, dtype=np.int64)
    smallest, largest = band == 0, band == OPEN_BAND
    inner = ~smallest & ~largest
    employment[smallest] = np.searchsorted(np.cumsum(SMALLEST_BAND_SHARES)[:-1], uniform[smallest], side="right")
    employment[inner] = np.floor(lower[inner] * (upper[inner] / lower[inner]) ** uniform[inner])
    employment[largest] = np.floor(lower[largest] * (1 - uniform[largest]) ** (-1 / EMPLOYMENT_TAIL))
    return np.minimum(employment, LARGEST_UNIT)


def _group_units_into_enterprises(
    rng: np.random.Generator,
    sic: np.ndarray,
    area: np.ndarray,
    employment: np.ndarray,
    unit_bands: CountTable,
    enterprise_bands: CountTable,
) -> np.ndarray:
    """Enterprise number of each local unit (0 .. number of enterprises - 1)."""
    published_units = unit_bands.values.sum(axis=1)
    published_enterprises = enterprise_bands.values.sum(axis=1)
    spare_share = 1 - np.minimum(published_enterprises / np.maximum(published_units, 1), 1)

    chain = np.full(sic.size, -1, dtype=np.int64)
    chains = 0
    bounds = np.searchsorted(sic, np.arange(len(unit_bands.rows) + 1))
    for position in range(len(unit_bands.rows)):
        units = np.arange(bounds[position], bounds[position + 1])
        spare = rng.binomial(units.size, spare_share[position]) if units.size else 0
        sizes = _chain_sizes(rng, units.size, min(spare, units.size - 1))
        if not sizes.size:
            continue
        # The larger a unit, the likelier it is in a chain (exponential keys: sampling without replacement).
        keys = rng.exponential(size=units.size) / (1 + employment[units])
        members = units[np.argsort(keys, kind="stable")[: sizes.sum()]]
        members = rng.permutation(members)
        large = sizes >= LARGE_CHAIN
        nationwide, local = np.split(members, [sizes[large].sum()])
        local = local[np.argsort(area[local], kind="stable")]
        order = np.concatenate([np.flatnonzero(large), np.flatnonzero(~large)])
        chain[np.concatenate([nationwide, local])] = chains + np.repeat(order, sizes[order])
        chains += sizes.size

    # A few chain units do something else than the rest of their enterprise: swap them between enterprises.
    in_chain = np.flatnonzero(chain >= 0)
    other = in_chain[rng.random(in_chain.size) < OTHER_ACTIVITY_SHARE]
    chain[other] = chain[rng.permutation(other)]

    single = np.flatnonzero(chain < 0)
    chain[single] = chains + np.arange(single.size)
    return np.unique(chain, return_inverse=True)[1].reshape(-1)


def _chain_sizes(rng: np.random.Generator, units: int, spare: int) -> np.ndarray:
    """Sizes (two or more) of the chains of a class, ``spare`` of its ``units`` beyond one per enterprise."""
    if spare <= 0:
        return np.zeros(0, dtype=np.int64)
    chains = min(max(1, round(spare / UNITS_PER_CHAIN)), units - spare)
    weights = 1 / np.arange(1, chains + 1) ** 0.9
    return 2 + rng.multinomial(spare - chains, weights / weights.sum())


def _first_of_each(group: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Position of the element with the smallest ``key`` of each group (ties: the first)."""
    order = np.lexsort((key, group))
    sorted_group = group[order]
    return order[np.flatnonzero(np.diff(sorted_group, prepend=-1))]


def _group_enterprises(rng: np.random.Generator, area: np.ndarray, employment: np.ndarray) -> np.ndarray:
    """Group number of each enterprise (0 .. number of groups - 1)."""
    count = area.size
    keys = rng.exponential(size=count) / (1 + employment)
    pool = np.argsort(keys, kind="stable")[: int(GROUPED_SHARE * count)]
    pool = rng.permutation(pool)
    half = pool.size // 2
    pool = np.concatenate([pool[:half], pool[half:][np.argsort(area[pool[half:]], kind="stable")]])
    sizes = np.minimum(1 + rng.zipf(2.2, size=pool.size), 60)
    starts = np.cumsum(sizes)
    block = np.searchsorted(starts, np.arange(pool.size), side="right")
    group = np.empty(count, dtype=np.int64)
    group[:] = pool.size + np.arange(count)
    group[pool] = block
    return np.unique(group, return_inverse=True)[1].reshape(-1)


def _draw_turnover(
    rng: np.random.Generator, sic: np.ndarray, employment: np.ndarray, turnover_bands: CountTable
) -> np.ndarray:
    """Turnover of enterprises (GBP thousand) from the rank in their class and its published bands."""
    score = np.log1p(employment) + rng.normal(0, 0.8, sic.size)
    order = np.lexsort((score, sic))
    bounds = np.searchsorted(sic[order], np.arange(len(turnover_bands.rows) + 1))
    turnover = np.empty(sic.size, dtype=np.float64)
    for position, counts in enumerate(turnover_bands.values):
        members = order[bounds[position] : bounds[position + 1]]
        if not members.size:
            continue
        if not counts.any():
            counts = turnover_bands.values.sum(axis=0)
        quantile = (np.arange(members.size) + rng.random(members.size)) / members.size
        cumulative = np.concatenate([[0.0], np.cumsum(counts[:-1])]) / counts.sum()
        value = np.exp(np.interp(quantile, cumulative, np.log(TURNOVER_EDGES)))
        top_share = counts[-1] / counts.sum()
        if top_share:
            top = quantile > 1 - top_share
            excess = (1 - quantile[top]) / top_share
            value[top] = np.minimum(TURNOVER_EDGES[-1] * excess ** (-1 / TURNOVER_TAIL), 60_000_000)
        turnover[members] = value
    return turnover


def _share_turnover(
    enterprise: np.ndarray, employment: np.ndarray, enterprise_employment: np.ndarray, turnover: np.ndarray
) -> np.ndarray:
    """Turnover of local units: their enterprise's, in proportion to employment plus one (for empty units)."""
    units = np.bincount(enterprise)
    return turnover[enterprise] * (employment + 1) / (enterprise_employment + units)[enterprise]


def _raise_dominant_units(
    rng: np.random.Generator, sic: np.ndarray, area: np.ndarray, turnover: np.ndarray
) -> np.ndarray:
    """Let the largest unit dominate one in eight of the cells class x area that have three units or more."""
    cell = np.unique(sic.astype(np.int64) * (int(area.max()) + 1) + area, return_inverse=True)[1].reshape(-1)
    largest = _first_of_each(cell, -turnover)
    others = np.bincount(cell, weights=turnover) - turnover[largest]
    chosen = (np.bincount(cell) >= 3) & (rng.random(largest.size) < DOMINATED_SHARE)
    share = rng.uniform(0.70, 0.95, largest.size)
    raised = turnover.copy()
    raised[largest[chosen]] = np.maximum(turnover[largest], others * share / (1 - share))[chosen]
    return raised


def _alive_before(rng: np.random.Generator, enterprise: np.ndarray, is_headquarters: np.ndarray) -> np.ndarray:
    """Which local units existed a period earlier: not those of new enterprises, nor new units of old ones."""
    old_enterprise = rng.random(int(enterprise.max()) + 1) >= BIRTH_SHARE
    old_unit = rng.random(enterprise.size) >= BIRTH_SHARE
    return old_enterprise[enterprise] & (old_unit | is_headquarters)


def _numbered(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers + 1).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _coded(codes: Sequence[str], positions: np.ndarray) -> pa.Array:
    return pa.array(codes, pa.string()).take(pa.array(positions))


def _table(
    period: str,
    rows: np.ndarray,
    enterprise: np.ndarray,
    group: np.ndarray,
    sic: np.ndarray,
    enterprise_sic: np.ndarray,
    area: np.ndarray,
    is_headquarters: np.ndarray,
    employment: np.ndarray,
    turnover: np.ndarray,
    sic_codes: Sequence[str],
    area_codes: Sequence[str],
) -> pa.Table:
    """The register's rows of one period; the columns are described in the module's docstring."""
    owner = enterprise[rows]
    pence = np.rint(turnover[rows] * 100).astype(np.int64)
    return pa.table(
        {
            "period": pa.repeat(pa.scalar(period, pa.string()), rows.size),
            "local_unit_reference": _numbered("LU", rows, 8),
            "local_unit_name": _numbered("Synthetic site ", rows, 8),
            "enterprise_reference": _numbered("EN", owner, 8),
            "enterprise_name": _numbered("Synthetic enterprise ", owner, 8),
            "enterprise_group_reference": _numbered("EG", group[owner], 8),
            "sic2007_class": _coded(sic_codes, sic[rows]),
            "enterprise_sic2007_class": _coded(sic_codes, enterprise_sic[owner]),
            "itl3_code": _coded(area_codes, area[rows]),
            "is_headquarters": pa.array(is_headquarters[rows]),
            "employment": pa.array(employment[rows].astype(np.int32)),
            "turnover": _decimal(pence),
        }
    )


def _decimal(hundredths: np.ndarray) -> pa.Array:
    """``hundredths / 100`` as decimal128(15, 2), exactly, by its memory layout (little-endian 128-bit)."""
    words = np.zeros((hundredths.size, 2), dtype="<i8")
    words[:, 0] = hundredths
    return pa.Array.from_buffers(pa.decimal128(15, 2), hundredths.size, [None, pa.py_buffer(words.tobytes())])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write a synthetic business register of the UK's shape.")
    parser.add_argument("--local-units", type=int, default=DEFAULT_LOCAL_UNITS, help="local units in the last period")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the random generator")
    parser.add_argument("--periods", nargs="+", default=list(DEFAULT_PERIODS), help="years, for example 2023 2024")
    parser.add_argument("--seeds", type=Path, default=None, help="folder with the calibration figures")
    parser.add_argument("--output", type=Path, required=True, help="file to write: .parquet or .csv")
    options = parser.parse_args(arguments)
    table = generate(options.local_units, options.seed, options.periods, options.seeds)
    write_table(table, options.output)
    print(f"{options.output}: {table.num_rows:,} local units and periods")


if __name__ == "__main__":
    main()
