"""Claim: intervals of 20 models × 3,000 stories × 6 grades, and all 190 pairs tested, with 10,000 resamples, in under 10 s on one core.

The peer is scipy.stats.bootstrap and permutation_test over the same openings, one column and one pair at a time; it is
timed on a few and multiplied, which favours it no less than the whole would.
"""

import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from bench.claim import tell
from evaluation.statistics import compare_models, mean_intervals

MODELS, OPENINGS, STORIES, GRADES = 20, 1000, 3, 6


def simulated() -> np.ndarray:
    """Whole grades 1…10 (openings, stories, models, grades): some openings are easier, some models better."""
    dice = np.random.default_rng(0)
    effect = dice.normal(0, 1, (OPENINGS, 1, 1, 1)) + dice.normal(0, 0.3, (1, 1, MODELS, GRADES))
    return np.clip(np.round(7 + effect + dice.normal(0, 1.5, (OPENINGS, STORIES, MODELS, GRADES))), 1, 10)


def ours(grades: np.ndarray, resamples: int) -> float:
    """CPU seconds for everything the report asks."""
    rows, clusters = grades.reshape(OPENINGS * STORIES, -1), np.repeat(np.arange(OPENINGS), STORIES)
    started = time.process_time()
    mean_intervals(rows, clusters, n_bootstrap=resamples)
    for grade in range(GRADES):
        compare_models(grades[..., grade].reshape(-1, MODELS), clusters, n_resamples=resamples)
    return time.process_time() - started


def scipys(grades: np.ndarray, resamples: int, timed: int = 3) -> float:
    """CPU seconds of scipy for the same intervals and tests, from `timed` of each."""
    means = grades.mean(1)
    started = time.process_time()
    for model in range(timed):
        stats.bootstrap((means[:, model, 0],), np.mean, n_resamples=resamples, method="percentile", batch=500)
    intervals = (time.process_time() - started) / timed * MODELS * GRADES
    started = time.process_time()
    for model in range(timed):
        pair = means[:, model, 0] - means[:, model + 1, 0]
        stats.bootstrap((pair,), np.mean, n_resamples=resamples, method="percentile", batch=500)
        stats.permutation_test(
            (pair,), np.mean, permutation_type="samples", n_resamples=resamples, vectorized=True, batch=500
        )
    return intervals + (time.process_time() - started) / timed * MODELS * (MODELS - 1) / 2 * GRADES


def main() -> None:
    """Print the table and the claim."""
    resamples = 1_000 if "--quick" in sys.argv else 10_000
    grades = simulated()
    seconds, peer = ours(grades, resamples), scipys(grades, resamples)
    print(f"{MODELS} models, {OPENINGS * STORIES} stories, {resamples} resamples | CPU seconds, one core")
    print(f"ours | {seconds:.2f}\nscipy | {peer:.0f}\nscipy / ours | {peer / seconds:.0f}")
    full = seconds * 10_000 / resamples
    peers = {"scipy seconds": round(peer * 10_000 / resamples), "scipy / ours": round(peer / seconds, 1)}
    tell(
        "CPU seconds for intervals and all pairs of 20 models × 3,000 stories, 10,000 resamples",
        full,
        10,
        full < 10,
        peers,
        ("numpy", "scipy"),
    )


if __name__ == "__main__":
    main()
