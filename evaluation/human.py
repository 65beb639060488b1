"""Human votes correct the judge: prediction-powered inference, whose interval covers both sources of error.

A few stories have votes and the judge's scores, many only scores. The judge's mean over the many is shifted by its
mean error over the few, each weighed so that the interval is as narrow as the data allow: PPI++ (Angelopoulos, Duchi
and Zrnic 2023, arXiv 2311.01453), as arXiv 2511.21140 does for LLM judges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from evaluation.ratings import Rating
from evaluation.votes import Preference


@dataclass(frozen=True)
class Corrected:
    """The corrected mean, its interval, and how far the judge alone (`judge_mean`) and the votes alone were."""

    mean: float
    low: float
    high: float
    judge_mean: float
    human_mean: float
    weight: float  # 0: the judge says nothing of the votes, 1: it is taken in full
    votes: int


def correct_with_votes(
    votes: Sequence[float],
    judged_where_voted: Sequence[float],
    judged_elsewhere: Sequence[float],
    openings_voted: Sequence | None = None,
    openings_elsewhere: Sequence | None = None,
    level: float = 0.95,
) -> Corrected:
    """The mean human rating (or win rate, votes being 0, 0.5, 1) over all stories.

    `judged_where_voted` are the judge's scores of the stories that `votes` are about, `judged_elsewhere` those of the
    stories without a vote. Openings, when given, make the errors robust to stories of one opening resembling each other.
    Raises ValueError with fewer than two voted openings.
    """
    votes, near, far = (np.asarray(x, float) for x in (votes, judged_where_voted, judged_elsewhere))
    place: dict = {}
    near_groups = _numbered([("voted", i) for i in range(len(votes))] if openings_voted is None else openings_voted, place)
    far_groups = _numbered([("elsewhere", i) for i in range(len(far))] if openings_elsewhere is None else openings_elsewhere, place)
    n_voted = len(np.unique(near_groups))
    if n_voted < 2:
        raise ValueError("votes on at least two openings are needed")
    weight = 0.0
    if len(far) >= 2 and np.ptp(near) > 0:
        # The weight that minimises the variance of the corrected mean.
        spread = np.var(np.concatenate([near, far]), ddof=1)
        weight = float(np.clip(np.cov(votes, near, ddof=1)[0, 1] / ((1 + len(near) / len(far)) * spread), 0, 1))
    elsewhere = weight * far.mean() if weight else 0.0
    mean = float(elsewhere + (votes - weight * near).mean())
    deviations = _deviations(votes - weight * near, near_groups, len(place))
    if weight:
        # Summed by opening before they are squared: stories with and without a vote may share one.
        deviations += weight * _deviations(far, far_groups, len(place))
    half = stats.t.ppf((1 + level) / 2, n_voted - 1) * np.sqrt((deviations**2).sum())
    judge_mean = float(np.concatenate([near, far]).mean())
    return Corrected(mean, mean - half, mean + half, judge_mean, float(votes.mean()), weight, len(votes))


def _numbered(openings: Sequence, place: dict) -> np.ndarray:
    """The openings as numbers, the same for the same one, which `place` keeps."""
    return np.array([place.setdefault(opening, len(place)) for opening in openings], int)


def _deviations(values: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """What each group (n_groups,) adds to the error of the mean of values; the squares sum up to its variance."""
    sums = np.bincount(groups, values - values.mean(), minlength=n_groups) / len(values)
    present = len(np.unique(groups))
    return sums * np.sqrt(present / max(present - 1, 1))


def corrected_means(ratings: Sequence[Rating], votes: Mapping[tuple[str, str, int], float]) -> list[dict]:
    """Each judge's mean overall grade of each model, corrected by human grades, by (model, opening, index), of some stories.

    Models with votes on fewer than two openings are left out.
    """
    judged: dict[tuple, dict[tuple, list[float]]] = {}
    for rating in ratings:
        group = judged.setdefault((rating.language, rating.judge, rating.rubric, rating.model), {})
        group.setdefault((rating.model, rating.opening, rating.index), []).append(rating.scores["overall"])
    rows = []
    for (language, judge, rubric, model), stories in sorted(judged.items()):
        means = {key: sum(grades) / len(grades) for key, grades in stories.items()}
        voted = [key for key in means if key in votes]
        if len({key[1] for key in voted}) < 2:
            continue
        others = [key for key in means if key not in votes]
        found = correct_with_votes(
            [votes[key] for key in voted],
            [means[key] for key in voted],
            [means[key] for key in others],
            [key[1] for key in voted],
            [key[1] for key in others],
        )
        rows.append({"language": language, "judge": judge, "rubric": rubric, "model": model} | vars(found))
    return rows


def corrected_preferences(
    ratings: Sequence[Rating], voted: Sequence[Rating], preferences: Sequence[Preference]
) -> list[dict]:
    """How often each judge's grades put one model's story above the other's, corrected by readers' votes on pairs.

    `ratings` are of the run, `voted` of the stories that readers voted on. A pair of stories of one opening and index
    counts 1 when the first has the higher overall grade, 0.5 when both have the same. Pairs of models with votes on
    fewer than two openings are left out.
    """
    places, texts = _overall(ratings, lambda r: (r.opening, r.index)), _overall(voted, lambda r: (r.opening, r.completion.strip()))
    rows = []
    for (language, judge, rubric), models in sorted(places.items()):
        graded = texts.get((language, judge, rubric), {})
        for first, second in combinations(sorted(models), 2):
            votes, near, openings = [], [], []
            for vote in preferences:
                two = vote.pair.first, vote.pair.second
                if vote.pair.models != (first, second) or two[0].language != language:
                    continue
                grades = [graded.get(story.model, {}).get((story.opening, story.completion.strip())) for story in two]
                if None not in grades:
                    votes.append(vote.worth), near.append(_above(*grades)), openings.append(two[0].opening)
            if len(set(openings)) < 2:
                continue
            shared = sorted(models[first].keys() & models[second].keys())
            far = [_above(models[first][place], models[second][place]) for place in shared]
            found = correct_with_votes(votes, near, far, openings, [opening for opening, _ in shared])
            row = {"language": language, "judge": judge, "rubric": rubric, "model": f"{first} above {second}"}
            rows.append(row | vars(found))
    return rows


def _overall(ratings: Sequence[Rating], place: Callable[[Rating], tuple]) -> dict[tuple, dict[str, dict[tuple, float]]]:
    """Mean overall grade by language, judge and rubric, then model, then place."""
    found: dict = {}
    for rating in ratings:
        models = found.setdefault((rating.language, rating.judge, rating.rubric), {})
        models.setdefault(rating.model, {}).setdefault(place(rating), []).append(rating.scores["overall"])
    return {
        group: {model: {key: sum(some) / len(some) for key, some in stories.items()} for model, stories in models.items()}
        for group, models in found.items()
    }


def _above(first: float, second: float) -> float:
    return 0.5 if first == second else float(first > second)
