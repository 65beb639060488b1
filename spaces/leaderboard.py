"""Ratings from votes: Bradley and Terry's model by choix, with bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SCALE = 400 / np.log(10)  # Elo's: 400 points are odds of ten to one
_BASE = 1000
_FEW_VISITORS = 20  # below that votes are drawn anew, from there on visitors


@dataclass(frozen=True)
class Standing:
    """A model's rating with its 95 % interval, and how often it was voted on, won and tied."""

    model: str
    rating: float
    low: float
    high: float
    votes: int
    wins: int
    ties: int


def standings(votes: Sequence[tuple[str, str, str, str]], n_bootstrap: int = 300, seed: int = 0) -> list[Standing]:
    """The board, best first, of votes (first, second, verdict, visitor). "bad" counts as a tie, as both lost alike.

    A visitor's votes hang together, so that with enough visitors these are what is drawn anew. One imaginary win for
    each side of every pair that met keeps ratings finite and intervals wide while votes are few.
    """
    if not votes:
        return []
    import choix

    models = sorted({name for vote in votes for name in vote[:2]})
    place = {name: index for index, name in enumerate(models)}
    visitors = sorted({vote[3] for vote in votes})
    group_of = {name: index for index, name in enumerate(visitors)}
    by_visitor = len(visitors) >= _FEW_VISITORS
    wins = np.zeros((2 + (len(visitors) if by_visitor else len(votes)), len(models), len(models)))
    for number, (first, second, verdict, visitor) in enumerate(votes):
        group, a, b = group_of[visitor] if by_visitor else number, place[first], place[second]
        wins[group, a, b] += {"first": 1, "second": 0}.get(verdict, 0.5)
        wins[group, b, a] += {"first": 0, "second": 1}.get(verdict, 0.5)
        wins[-1, min(a, b), max(a, b)] = wins[-2, max(a, b), min(a, b)] = 1

    def rate(matrix: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        return choix.ilsr_pairwise_dense(matrix, alpha=1e-3, initial_params=start, tol=1e-5)

    rating = rate(wins.sum(0))
    dice = np.random.default_rng(seed)
    draws = dice.multinomial(len(wins), np.full(len(wins), 1 / len(wins)), size=n_bootstrap)
    drawn = np.array([rate(matrix, rating) for matrix in np.tensordot(draws, wins, 1)])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    tally = {name: [0, 0, 0] for name in models}
    for first, second, verdict, _ in votes:
        for name, won in ((first, "first"), (second, "second")):
            tally[name][0] += 1
            tally[name][1] += verdict == won
            tally[name][2] += verdict in ("tie", "bad")
    board = [
        Standing(name, *(_BASE + _SCALE * float(value[i]) for value in (rating, low, high)), *tally[name])
        for i, name in enumerate(models)
    ]
    return sorted(board, key=lambda standing: -standing.rating)
