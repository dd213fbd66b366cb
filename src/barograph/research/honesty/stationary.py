"""The stationary bootstrap (Politis and Romano 1994) of many series at once: draws, block length, variance.

All series are resampled with the same draws, so what they have in common stays. A draw is not a
list of rows but how often each row is in it: then the means of N series in B draws are one matrix
product, ``counts @ returns / T``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from barograph.errors import UsageError
from barograph.rows import Floats, Ints, Mask

_SLICE_BYTES = 32 << 20


def counts(periods: int, block: float, repetitions: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each row is drawn: slices of a (repetitions, periods) matrix, in order.

    Blocks begin anywhere with the same probability, have geometric lengths with mean ``block`` and go
    round the end of the data. Every row of the matrix sums to ``periods``. What is drawn hangs on the
    arguments only; a slice holds a few tens of megabytes at most.

    Args:
        periods: T, rows of the data.
        block: mean length of the blocks, in rows, >= 1. 1: rows are drawn independently (Efron 1979).
        repetitions: B.
        rng: where chance comes from.

    Raises:
        UsageError: a block shorter than a row, or no rows.
    """
    if not (block >= 1 and periods >= 1):
        raise UsageError(f"a block of {block} rows of {periods} cannot be drawn; both must be 1 or more")
    at_once = max(1, _SLICE_BYTES // (16 * periods))
    for done in range(0, repetitions, at_once):
        yield _drawn(periods, block, min(at_once, repetitions - done), rng)


def _drawn(periods: int, block: float, draws: int, rng: np.random.Generator) -> Floats:
    lengths = _lengths(periods, block, draws, rng)
    starts = rng.integers(0, periods, lengths.shape)
    stops = starts + lengths
    round_the_end = stops >= periods
    stops -= periods * round_the_end
    # One up where a block begins, one down where it has ended: the running sum is how many blocks hold a row.
    row = np.arange(draws)[:, None] * periods
    step = np.bincount((starts + row).ravel(), minlength=draws * periods)
    step -= np.bincount((stops + row).ravel(), minlength=draws * periods)
    step = step.reshape(draws, periods)
    step[:, 0] += round_the_end.sum(axis=1)
    return np.cumsum(step, axis=1, dtype=np.float64)


def _lengths(periods: int, block: float, draws: int, rng: np.random.Generator) -> Ints:
    """Block lengths (draws, blocks): each row sums to ``periods``, the last block cut, those after it 0."""
    expected = periods / block
    wide = math.ceil(expected + 4 * math.sqrt(expected) + 4)
    lengths = rng.geometric(1 / block, (draws, wide))
    while lengths.sum(axis=1).min() < periods:
        lengths = np.concatenate([lengths, rng.geometric(1 / block, (draws, wide))], axis=1)
    before = np.cumsum(lengths, axis=1) - lengths
    cut: Ints = np.minimum(lengths, np.maximum(periods - before, 0))
    return cut


def bootstrap_variance(returns: Floats, block: float) -> Floats:
    """Variance of sqrt(T) x the mean of a stationary bootstrap draw, exactly, of each column.

    With autocovariances g_i it is ``g_0 + 2 sum_i k_i g_i``, where
    ``k_i = (1 - i/T) (1-p)^i + (i/T) (1-p)^(T-i)`` and ``p = 1 / block`` (Politis and Romano 1994,
    lemma 1; Hansen 2005, appendix). ``k_i = k_(T-i)``, so the sum is a circular convolution: done in the
    frequency domain, it costs T log T a column instead of T^2, and cannot be negative.

    Args:
        returns: (T, N).
        block: mean length of the blocks, in rows.

    Returns:
        (N,).
    """
    periods, columns = returns.shape
    lag = np.arange(periods)
    stay = 1 - 1 / block
    kernel = (1 - lag / periods) * stay**lag + (lag / periods) * stay ** ((periods - lag) % periods)
    weights = np.maximum(np.fft.rfft(kernel).real, 0.0) / periods**2
    weights[1 : (periods + 1) // 2] *= 2  # the frequencies that stand for their mirror image too
    variance = np.empty(columns)
    at_once = max(1, _SLICE_BYTES // (16 * periods))
    for first in range(0, columns, at_once):
        part = np.ascontiguousarray(returns[:, first : first + at_once].T)
        part -= part.mean(axis=1, keepdims=True)
        spectrum = np.fft.rfft(part, axis=1)
        variance[first : first + at_once] = (spectrum.real**2 + spectrum.imag**2) @ weights
    return variance


def block_lengths(returns: Floats) -> Floats:
    """The block length that serves each column's mean best (Politis and White 2004).

    With the correction of Patton, Politis and White (2009), the lag at which the correlogram dies out
    found as in their programs. Columns that never change get 1.

    Args:
        returns: (T, N), T >= 8.

    Returns:
        (N,) mean lengths in rows, at least 1.

    Raises:
        UsageError: fewer than 8 rows.
    """
    periods, columns = returns.shape
    if periods < 8:
        raise UsageError(f"{periods} rows are too few to tell how long they remember; at least 8 are needed")
    found = np.empty(columns)
    at_once = max(1, _SLICE_BYTES // (32 * periods))
    for first in range(0, columns, at_once):
        part = slice(first, first + at_once)
        found[part] = _politis_white(np.ascontiguousarray(returns[:, part].T))
    return found


def _politis_white(rows: Floats) -> Floats:
    """The lengths for series that lie in rows (N, T); the least is 1."""
    periods = rows.shape[1]
    quiet = max(5, int(math.log10(periods)))
    longest = math.ceil(math.sqrt(periods)) + quiet
    covariance, correlation = _correlogram(rows, min(longest, periods - 2))
    cutoff = _cutoff(np.abs(correlation) < 2 * math.sqrt(math.log10(periods) / periods), quiet)
    cutoff = np.minimum(cutoff, covariance.shape[1] - 1)
    lag = np.arange(covariance.shape[1])
    flat_top = np.clip(2 * (1 - lag / cutoff[:, None]), 0, 1)
    weighted = 2 * flat_top * covariance
    weighted[:, 0] /= 2
    slope, level = weighted @ lag, weighted.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = np.cbrt(periods * (slope / level) ** 2)
    most = math.ceil(min(3 * math.sqrt(periods), periods / 3))
    bounded: Floats = np.clip(np.nan_to_num(lengths, nan=1.0, posinf=most), 1, most)
    return bounded


def _correlogram(rows: Floats, longest: int) -> tuple[Floats, Floats]:
    """Autocovariances and autocorrelations (N, longest + 1) of lags 0 to ``longest``."""
    periods = rows.shape[1]
    centred = rows - rows.mean(axis=1, keepdims=True)
    moved = np.abs(centred).max(axis=1) > 1e-12 * np.abs(rows).max(axis=1)
    centred *= moved[:, None]
    spectrum = np.fft.rfft(centred, _round_size(periods + longest), axis=1)
    covariance = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, _round_size(periods + longest), axis=1)
    covariance = covariance[:, : longest + 1] / periods
    ahead = np.cumsum(centred[:, ::-1] ** 2, axis=1)[:, ::-1][:, 1 : longest + 2]
    behind = np.cumsum(centred**2, axis=1)[:, ::-1][:, 1 : longest + 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance * periods / np.sqrt(ahead * behind)
    return covariance, np.nan_to_num(correlation, nan=0.0, posinf=0.0, neginf=0.0)


def _round_size(least: int) -> int:
    """The next power of two: transforms of that size are quick."""
    return 1 << (least - 1).bit_length()


def _cutoff(small: Mask, quiet: int) -> Ints:
    """Twice the first lag from which ``quiet`` correlations in a row are small; without one, all lags."""
    lags = small.shape[1]
    runs = np.lib.stride_tricks.sliding_window_view(small[:, : lags - 1], quiet, axis=1)
    calm: Mask = np.all(runs, axis=2)
    first = np.argmax(calm, axis=1)
    doubled: Ints = np.where(np.any(calm, axis=1), 2 * np.maximum(first, 1), lags - 1)
    return doubled


def shared_block(returns: Floats) -> float:
    """One block length for all columns, which must be drawn together: the median of their own.

    Not the longest: the longer the blocks, the worse the variance of each column is known, and the
    more often the best of many looks better than it is.
    """
    return float(np.median(block_lengths(returns)))
