"""Hypothesis strategies for cubes; they shrink towards few dimensions, flat trees and small counts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st

from .cubes import Cube, Dimension, contributions, count_cube, flat, magnitude_cube, random_dimension


@st.composite
def dimensions_of(draw: st.DrawFn, largest: int) -> Dimension:
    """A dimension of at most ``largest`` leaves: flat, or a random tree, possibly with a second hierarchy."""
    leaves = draw(st.integers(2, max(2, largest)))
    depth = draw(st.integers(1, 3))
    second = draw(st.booleans()) if leaves >= 3 else False
    if depth == 1 and not second:
        return flat(leaves)
    return random_dimension(np.random.default_rng(draw(st.integers(0, 1000))), leaves, depth, second)


@st.composite
def shapes(draw: st.DrawFn, crossings: int) -> tuple[Dimension, ...]:
    """One to four dimensions with at most ``crossings`` crossings of leaves."""
    chosen: list[Dimension] = []
    room = crossings
    for _ in range(draw(st.integers(1, 4))):
        if room < 2:
            break
        dimension = draw(dimensions_of(min(7, room)))
        chosen.append(dimension)
        room //= dimension.leaves
    return tuple(chosen)


@st.composite
def count_cubes(draw: st.DrawFn, crossings: int = 24, lower: Iterable[float] = (0.0,)) -> Cube:
    """A cube of counts with a random threshold; sparse or with its zeros."""
    chosen = draw(shapes(crossings))
    shape = tuple(dimension.leaves for dimension in chosen)
    size = int(np.prod(shape))
    number = st.one_of(st.integers(0, 3), st.integers(0, 25))
    counts = np.array(draw(st.lists(number, min_size=size, max_size=size).filter(any))).reshape(shape)
    threshold = float(draw(st.integers(2, 8)))
    return count_cube(chosen, counts, threshold, draw(st.booleans()), draw(st.sampled_from(list(lower))))


@st.composite
def magnitude_cubes(draw: st.DrawFn, crossings: int = 16) -> Cube:
    """A cube of magnitudes under p% with levels on both sides and, in one of three, a sliding level."""
    chosen = draw(shapes(crossings))
    shape = tuple(dimension.leaves for dimension in chosen)
    size = int(np.prod(shape))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    records = draw(st.integers(2, 5 * size))
    microdata = contributions(rng, shape, records, draw(st.sampled_from([0.0, 0.3])), draw(st.sampled_from([0.5, 1.5])))
    return magnitude_cube(
        chosen,
        *microdata,
        percent=float(draw(st.sampled_from([5, 15, 50]))),
        sparse=draw(st.booleans()),
        widths=draw(st.sampled_from([0.0, 0.0, 1.0])),
    )
