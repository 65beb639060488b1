"""Everything a report says of ratings, as plain data: means, comparisons, agreement, bias, power."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType

import numpy as np

from evaluation.agreement import agreement, length_bias
from evaluation.ratings import Grid, Rating, grids
from evaluation.rubrics import CRITERIA
from evaluation.statistics import cluster_means, compare_models, mean_intervals, openings_needed, smallest_difference
from evaluation.text import words

MEAN_OF_FIVE = "mean of five"  # the paper's "true overall": the mean of the five criteria, without the overall grade
_CONFIGURATION = re.compile(r"l=(\d+), ?h=(\d+), ?e=(\d+)")


def analyse(
    ratings: Sequence[Rating],
    configurations: Mapping[str, dict | None] = MappingProxyType({}),
    n_bootstrap: int = 10_000,
    seed: int = 0,
) -> dict:
    """Analyse ratings of any number of models, languages, judges and rubrics. The result is ready for JSON.

    `configurations` hold layers, heads and hidden size of models whose names do not tell them.
    """
    all_grids = grids(ratings)
    lengths = {rating.story.key: len(words(rating.completion)) for rating in ratings if rating.completion}
    return {
        "groups": [_group(grid, lengths, configurations, n_bootstrap, seed) for grid in all_grids],
        "judges": _between_judges(ratings),
        "ratings": len(ratings),
        "cost": sum(rating.cost for rating in ratings),
        "tokens": sum(rating.input_tokens + rating.output_tokens for rating in ratings),
    }


def with_mean_of_five(grid: Grid) -> np.ndarray:
    """The grid's values (rows, models, 7), the mean of the first five criteria appended."""
    return np.concatenate([grid.values, grid.values[:, :, :5].mean(2, keepdims=True)], axis=2)


def _group(grid: Grid, lengths: dict, configurations: Mapping, n_bootstrap: int, seed: int) -> dict:
    values = with_mean_of_five(grid)
    names = (*CRITERIA, MEAN_OF_FIVE)
    n_rows, n_models, n_columns = values.shape
    means = mean_intervals(values.reshape(n_rows, -1), grid.clusters, n_bootstrap=n_bootstrap, seed=seed)
    models = []
    for m, model in enumerate(grid.models):
        columns = {name: m * n_columns + c for c, name in enumerate(names)}
        mine = ~np.isnan(values[:, m, 0])
        models.append(
            {
                "model": model,
                "ratings": int(mine.sum()),
                "stories": len({grid.rows[i][:2] for i in np.flatnonzero(mine)}),
                "openings": int(means.clusters[columns["overall"]]),
                "means": {
                    name: [float(x[c]) for x in (means.mean, means.low, means.high)] for name, c in columns.items()
                },
                "length_bias": _length_bias(grid, m, lengths),
                "configuration": configuration(model) or configurations.get(model),
            }
        )
    overall = CRITERIA.index("overall")
    comparisons = [
        asdict(found) | {"first": grid.models[found.first], "second": grid.models[found.second]}
        for found in compare_models(values[:, :, overall], grid.clusters, n_resamples=n_bootstrap, seed=seed)
    ]
    return {
        "language": grid.language,
        "judge": grid.judge,
        "rubric": grid.rubric,
        "models": models,
        "comparisons": comparisons,
        "repeats": _between_repeats(grid),
        "power": _power(grid, values[:, :, overall]) if n_models > 1 else None,
        "distribution": {
            model: {name: _counts(values[:, m, c]) for c, name in enumerate(CRITERIA)}
            for m, model in enumerate(grid.models)
        },
    }


def configuration(model: str) -> dict[str, int] | None:
    """Layers, heads and hidden size where a model's name tells them, as the paper's file names do."""
    match = _CONFIGURATION.search(model)
    return dict(zip(("layers", "heads", "hidden"), map(int, match.groups()), strict=True)) if match else None


def _counts(grades: np.ndarray) -> list[int]:
    """How often each grade 1…10 was given, halves rounded up."""
    grades = np.floor(grades[~np.isnan(grades)] + 0.5).astype(int)
    return np.bincount(grades, minlength=11)[1:11].tolist()


def _length_bias(grid: Grid, model: int, lengths: dict) -> float | None:
    """Correlation of overall grade and length within openings; None without the stories' texts."""
    by_story: dict[tuple[str, int], list[float]] = {}
    for (opening, index, _), grade in zip(grid.rows, grid.values[:, model, CRITERIA.index("overall")], strict=True):
        if not np.isnan(grade) and (grid.models[model], grid.language, opening, index) in lengths:
            by_story.setdefault((opening, index), []).append(grade)
    if len(by_story) < 3:
        return None
    # Repeats of one story are no two stories of one opening.
    grades = np.array([np.mean(some) for some in by_story.values()])
    sizes = np.array([lengths[grid.models[model], grid.language, *story] for story in by_story])
    return _clean(length_bias(grades, sizes, np.array([opening for opening, _ in by_story])))


def _between_repeats(grid: Grid) -> dict | None:
    """Agreement of the judge with itself over repeats, by criterion; None when each story was judged once."""
    repeats = sorted({row[2] for row in grid.rows})
    if len(repeats) < 2:
        return None
    stories = sorted({row[:2] for row in grid.rows})
    place = {story: i for i, story in enumerate(stories)}
    table = np.full((len(repeats), len(stories), *grid.values.shape[1:]), np.nan)
    for i, (opening, index, repeat) in enumerate(grid.rows):
        table[repeats.index(repeat), place[opening, index]] = grid.values[i]
    return {name: _agreement(table[..., c].reshape(len(repeats), -1)) for c, name in enumerate(CRITERIA)}


def _between_judges(ratings: Sequence[Rating]) -> list[dict]:
    """Agreement of judges who rated the same stories, on each story's mean over repeats, by language and rubric."""
    found = []
    for language, rubric in sorted({(rating.language, rating.rubric) for rating in ratings}):
        here = [rating for rating in ratings if (rating.language, rating.rubric) == (language, rubric)]
        judges = sorted({rating.judge for rating in here})
        if len(judges) < 2:
            continue
        stories = {key: i for i, key in enumerate(sorted({rating.story.key for rating in here}))}
        sums, counts = np.zeros((2, len(judges), len(stories), len(CRITERIA)))
        for rating in here:
            place = judges.index(rating.judge), stories[rating.story.key]
            sums[place] += [rating.scores[name] for name in CRITERIA]
            counts[place] += 1
        with np.errstate(invalid="ignore"):
            table = sums / np.where(counts > 0, counts, np.nan)
        by_criterion = {name: _agreement(table[..., c]) for c, name in enumerate(CRITERIA)}
        found.append({"language": language, "rubric": rubric, "judges": judges, "agreement": by_criterion})
    return found


def _agreement(ratings: np.ndarray) -> dict:
    found = asdict(agreement(ratings))
    return {key: _clean(value) if isinstance(value, float) else value for key, value in found.items()}


def _power(grid: Grid, overall: np.ndarray) -> dict:
    """What the paired differences of these models say about further runs with as many stories an opening."""
    means = cluster_means(overall, grid.clusters)
    spreads, closest = [], None
    for i in range(means.shape[1]):
        for j in range(i + 1, means.shape[1]):
            differences = means[:, i] - means[:, j]
            differences = differences[~np.isnan(differences)]
            if len(differences) > 1:
                spreads.append(float(differences.std(ddof=1)))
                gap = abs(float(differences.mean()))
                if gap > 0 and (closest is None or gap < closest[0]):
                    closest = (gap, spreads[-1])
    if not spreads or np.median(spreads) == 0:
        return {}
    spread, openings = float(np.median(spreads)), len(means)
    return {
        "spread": spread,
        "openings": openings,
        "stories_per_opening": len({row[:2] for row in grid.rows}) / openings,
        "smallest_difference": smallest_difference(spread, openings),
        "openings_for": {str(d): openings_needed(d, spread) for d in (0.05, 0.1, 0.2, 0.5, 1.0)},
        "openings_for_the_closest_pair": openings_needed(*closest) if closest else None,
    }


def _clean(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
