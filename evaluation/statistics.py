"""Means with intervals, and comparisons of models that read the same openings.

Stories of one opening resemble each other, so the opening, not the story, is what is drawn anew: intervals are
bootstrapped over clusters (Field and Welsh 2007), tests flip the sign of an opening's whole difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

# Rows of resampling weights made at a time; keeps memory small and the matrix products large.
_CHUNK = 500


@dataclass(frozen=True)
class Intervals:
    """Means (K,) with the bounds of their intervals (K,), and the number of clusters behind each (K,)."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Model `first` less model `second` over the openings both have. `effect_size` is Cohen's d of the paired differences.

    NaN is what cannot be told, such as d of differences that are all the same.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    effect_size: float
    p_value: float
    p_holm: float
    openings: int


def mean_intervals(
    values: np.ndarray, clusters: Sequence, level: float = 0.95, n_bootstrap: int = 10_000, seed: int = 0
) -> Intervals:
    """Means of the columns of `values` (n, K) with cluster-bootstrap intervals.

    `clusters` (n,) names the cluster of each row, usually its opening; NaN marks what a column lacks. Percentile
    intervals, widened for few clusters as Hesterberg (2015, arXiv 1411.5279) does.
    """
    values = np.atleast_2d(np.asarray(values, float).T).T
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    present = ~np.isnan(values)
    sums = _by_cluster(np.where(present, values, 0.0), index)
    counts = _by_cluster(present.astype(float), index)
    return ratio_intervals(sums, counts, level, n_bootstrap, seed)


def compare_models(
    values: np.ndarray,
    clusters: Sequence,
    pairs: Sequence[tuple[int, int]] | None = None,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> list[Comparison]:
    """Compare columns of `values` (n, M), one a model, pair by pair over the openings that both have.

    The estimate is the mean over openings of the difference of the models' means at that opening. The test is the
    two-sided sign-flip permutation test; `p_holm` is corrected over all the pairs given that share two openings. NaN: what
    cannot be told, as of pairs without a common opening.
    """
    values = np.asarray(values, float)
    if pairs is None:
        pairs = [(i, j) for i in range(values.shape[1]) for j in range(i + 1, values.shape[1])]
    if not pairs:
        return []
    means = cluster_means(values, clusters)
    differences = np.stack([means[:, i] - means[:, j] for i, j in pairs], axis=1)
    intervals = paired_intervals(differences, level, n_resamples, seed)
    p_values = sign_flip_test(differences, n_resamples, seed + 1)
    # One opening or none can show nothing, so such a pair costs the others no correction.
    tested, p_holm = intervals.clusters > 1, np.ones(len(pairs))
    p_holm[tested] = holm(p_values[tested])
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = _nan_std(differences)
        effects = np.where(spread > 0, intervals.mean / spread, np.where(intervals.mean == 0, 0.0, np.nan))
    return [
        Comparison(i, j, *map(float, numbers), openings=int(n))
        for (i, j), *numbers, n in zip(
            pairs,
            intervals.mean,
            intervals.low,
            intervals.high,
            effects,
            p_values,
            p_holm,
            intervals.clusters,
            strict=True,
        )
    ]


def cluster_means(values: np.ndarray, clusters: Sequence) -> np.ndarray:
    """Means by cluster (G, K) of rows (n, K); NaN where a column has nothing in a cluster."""
    values = np.asarray(values, float)
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    present = ~np.isnan(values)
    sums, counts = _by_cluster(np.where(present, values, 0.0), index), _by_cluster(present.astype(float), index)
    with np.errstate(invalid="ignore"):
        return sums / np.where(counts > 0, counts, np.nan)


def paired_intervals(
    differences: np.ndarray, level: float = 0.95, n_bootstrap: int = 10_000, seed: int = 0
) -> Intervals:
    """Bootstrap intervals of the column means of per-opening differences (G, P); NaN where a pair lacks an opening."""
    present = ~np.isnan(differences)
    return ratio_intervals(np.where(present, differences, 0.0), present.astype(float), level, n_bootstrap, seed)


def ratio_intervals(
    sums: np.ndarray, counts: np.ndarray, level: float = 0.95, n_bootstrap: int = 10_000, seed: int = 0
) -> Intervals:
    """Sum of `sums` over sum of `counts`, both (G, K), with intervals over clusters drawn with replacement."""
    groups = len(sums)
    with np.errstate(invalid="ignore"):
        mean = sums.sum(0) / np.where(counts.sum(0) > 0, counts.sum(0), np.nan)
    dice, even = np.random.default_rng(seed), (counts == counts[:, :1]).all() if groups else True
    # Columns that lack nothing share one denominator, which halves the work.
    denominators = counts[:, :1] if even else counts
    drawn = np.empty((n_bootstrap, sums.shape[1]))
    for start in range(0, n_bootstrap, _CHUNK):
        rows = min(_CHUNK, n_bootstrap - start)
        picks = dice.integers(0, groups, (rows, groups)) + np.arange(rows)[:, None] * groups
        weights = np.bincount(picks.ravel(), minlength=rows * groups).reshape(rows, groups).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn[start : start + rows] = (weights @ sums) / (weights @ denominators)
    clusters = (counts > 0).sum(0)
    low, high = np.full(sums.shape[1], np.nan), np.full(sums.shape[1], np.nan)
    for n in np.unique(clusters):
        if n < 2:
            continue
        tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - level) / 2, n - 1))
        columns = clusters == n
        low[columns], high[columns] = np.nanquantile(drawn[:, columns], [tail, 1 - tail], axis=0)
    return Intervals(mean, low, high, clusters)


def sign_flip_test(differences: np.ndarray, n_permutations: int = 10_000, seed: int = 0) -> np.ndarray:
    """Two-sided p-values (P,) that the columns of (G, P) are symmetric about 0; never 0 (Phipson and Smyth 2010)."""
    filled = np.nan_to_num(np.asarray(differences, float))
    observed = np.abs(filled.sum(0))
    # Integer scores give exact ties, which rounding must not turn into misses.
    threshold = observed - 1e-9 * (1 + np.abs(filled).sum(0))
    dice, extreme = np.random.default_rng(seed), np.zeros(filled.shape[1], int)
    for start in range(0, n_permutations, _CHUNK):
        rows = min(_CHUNK, n_permutations - start)
        bits = np.unpackbits(dice.integers(0, 256, (rows, -(-len(filled) // 8)), np.uint8), axis=1)[:, : len(filled)]
        signs = bits.astype(float) * 2 - 1
        extreme += (np.abs(signs @ filled) >= threshold).sum(0)
    return (1 + extreme) / (1 + n_permutations)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction (1979): p-values that hold for the whole family."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def openings_needed(difference: float, spread: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """How many openings a paired t-test needs to see `difference` when per-opening differences have this standard deviation."""
    if difference == 0:
        raise ValueError("a difference of 0 is never seen, whatever the number of openings")
    effect = abs(difference) / spread if spread > 0 else np.inf
    n = 2
    while _power(effect, n, alpha) < power:
        n *= 2
    low, high = n // 2, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effect, middle, alpha) >= power else (middle, high)
    return max(2, high)


def smallest_difference(spread: float, openings: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that this many openings, two or more, show with the given power; `spread` is above 0."""
    low, high = 0.0, spread
    while _power(high / spread, openings, alpha) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _power(middle / spread, openings, alpha) >= power else (middle, high)
    return high


def _power(effect: float, n: int, alpha: float) -> float:
    critical, shift = stats.t.ppf(1 - alpha / 2, n - 1), effect * np.sqrt(n)
    # Far from 0 scipy's noncentral t gives NaN: the power is 1 there, and the other tail nothing.
    above = stats.nct.sf(critical, n - 1, shift)
    below = stats.nct.cdf(-critical, n - 1, shift)
    return float(np.nan_to_num(above, nan=1.0) + np.nan_to_num(below))


def _by_cluster(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    sums = np.zeros((index.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def _nan_std(values: np.ndarray) -> np.ndarray:
    present = ~np.isnan(values)
    n = present.sum(0)
    mean = np.where(present, values, 0).sum(0) / n
    return np.sqrt(np.where(present, (values - mean) ** 2, 0).sum(0) / np.maximum(n - 1, 1))
