"""Whether those who score agree: repeats of one judge, several judges, and what a score follows besides quality."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from evaluation.statistics import cluster_means


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha for interval data, Spearman's rank correlation averaged over pairs of raters, shared items."""

    alpha: float
    spearman: float
    exact: float  # share of pairs of ratings that are equal
    raters: int
    items: int


def agreement(ratings: np.ndarray, level: str = "interval") -> Agreement:
    """Agreement of `ratings` (raters, items), NaN where one did not rate; only items with two ratings count.

    Alpha is 1 for full agreement, 0 for chance, NaN when nothing varies (Krippendorff 2011).
    """
    import krippendorff

    ratings = np.asarray(ratings, float)
    shared = ratings[:, (~np.isnan(ratings)).sum(0) >= 2]
    if shared.size == 0:
        return Agreement(np.nan, np.nan, np.nan, len(ratings), 0)
    varies = np.unique(shared[~np.isnan(shared)]).size > 1
    alpha = krippendorff.alpha(reliability_data=shared, level_of_measurement=level) if varies else np.nan
    correlations, equal = [], []
    for i in range(len(shared)):
        for j in range(i + 1, len(shared)):
            both = ~np.isnan(shared[i]) & ~np.isnan(shared[j])
            if both.any():
                equal.append((shared[i, both] == shared[j, both]).mean())
                correlations.append(spearman(shared[i, both], shared[j, both]))
    known = [value for value in correlations if not np.isnan(value)]
    mean_correlation = float(np.mean(known)) if known else np.nan
    return Agreement(float(alpha), mean_correlation, float(np.mean(equal)), len(ratings), shared.shape[1])


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation; NaN with fewer than three pairs or when one side does not vary."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)


def length_bias(scores: np.ndarray, lengths: np.ndarray, openings: np.ndarray) -> float:
    """Spearman's correlation of score and length among stories of the same opening, so that hard openings do not count.

    Of all stories where hardly any opening has two.
    """
    columns = np.column_stack([scores, lengths]).astype(float)
    _, index = np.unique(openings, return_inverse=True)
    centred = columns - cluster_means(columns, openings)[index]
    repeated = np.bincount(index)[index] > 1
    if repeated.sum() < 3:
        return spearman(columns[:, 0], columns[:, 1])
    return spearman(centred[repeated, 0], centred[repeated, 1])
