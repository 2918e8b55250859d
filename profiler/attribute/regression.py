"""Least squares without negative answers, and how far the answers can be trusted."""

from __future__ import annotations

import itertools

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCKS = 12  # of the jackknife: neighbours in time err together, so what is left out must be far longer than a sample
_RIDGE = 1e-9  # of the diagonal: columns that cannot be told apart share what they have, with a large error


class Estimates(Struct, frozen=True):
    """What a unit of each column stands for, with the standard error; shape (columns,)."""

    values: Floats
    errors: Floats


def regress(design: Floats, amounts: Floats, blocks: int = BLOCKS) -> Estimates:
    """The non-negative `values` for which `design @ values` comes closest to `amounts` (shapes (n, g) and (n,)).

    Errors are those of a jackknife that leaves out one of `blocks` stretches of rows at a time (Efron and Tibshirani,
    1993, chapter 11): no assumption on the noise but that stretches are alike.
    """
    count = design.shape[1]
    cuts = np.linspace(0, len(design), blocks + 1).astype(int)
    grams = np.empty((blocks, count, count))
    products = np.empty((blocks, count))
    for block, (first, last) in enumerate(itertools.pairwise(cuts)):
        rows = design[first:last]
        grams[block] = rows.T @ rows
        products[block] = rows.T @ amounts[first:last]
    gram, product = grams.sum(axis=0), products.sum(axis=0)
    values = solve(gram, product)
    without = np.array([solve(gram - grams[block], product - products[block], values > 0) for block in range(blocks)])
    errors = np.sqrt((blocks - 1) / blocks * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return Estimates(values, errors)


def solve(gram: Floats, product: Floats, positive: NDArray[np.bool_] | None = None) -> Floats:
    """The non-negative x that minimises x'Gx/2 - p'x: the active-set method of Lawson and Hanson (1974) in the form of
    Bro and de Jong (1997), which needs the products only. A column without any rows gets 0.

    `positive` guesses which will not be 0: a good guess saves nearly all of the time, a bad one nothing but itself.
    """
    count = len(product)
    values = np.zeros(count)
    free = np.zeros(count, bool)
    ridged = gram + _RIDGE * np.diag(np.diag(gram))
    positive = None if positive is None else positive & (np.diag(gram) > 0)
    if positive is not None and positive.any():
        values[positive] = np.linalg.solve(ridged[np.ix_(positive, positive)], product[positive])
        if (values[positive] > 0).all():
            free = positive.copy()
        else:
            values[:] = 0.0
    tolerance = 1e-12 * float(np.abs(product).max(initial=0.0))
    for _ in range(3 * count + 10):  # it ends after about one round a column; the bound is for rounding errors
        gradient = np.where(free, -np.inf, product - ridged @ values)
        entering = int(np.argmax(gradient))
        if gradient[entering] <= tolerance:
            break
        free[entering] = True
        while True:
            candidate = np.zeros(count)
            candidate[free] = np.linalg.solve(ridged[np.ix_(free, free)], product[free])
            negative = free & (candidate <= 0)
            if not negative.any():
                break
            step = float(np.min(values[negative] / (values[negative] - candidate[negative])))
            values = values + step * (candidate - values)
            free &= values > 1e-15 * float(values.max(initial=0.0))
            values[~free] = 0.0
            if not free.any():
                break
        values = candidate if free.any() else values
    return values
