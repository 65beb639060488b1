"""The ladder: does a score fall as known damage grows? Where it does not, whoever gives the score is blind.

Works for anything that scores: the quick check offline, or an LLM judge.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random

import numpy as np

from backend.errors import UserError
from backend.languages import Language
from evaluation.agreement import spearman
from evaluation.completions import Completion
from evaluation.damage import KINDS, STRENGTHS, surroundings
from evaluation.quick_check import quick_check
from evaluation.ratings import Rating
from evaluation.rubrics import CRITERIA
from evaluation.statistics import paired_intervals
from evaluation.text import sentences

SHORTEST = 8  # sentences after the opening, below which a quarter of a story is nothing
LONGEST = 40


@dataclass(frozen=True)
class Rung:
    """One kind of damage: mean scores from none to full, and whether they fall.

    `correlation` is the rank correlation of damage and score within a story, averaged (-1: falls at every step);
    `drop` is what full damage costs, with its 95 % interval; `blind` unless that interval lies above 0. NaN where the judge
    gave too few scores to tell, which is no sight either.
    """

    kind: str
    means: tuple[float, ...]  # by strength, the undamaged first
    correlation: float
    drop: float
    low: float
    high: float
    blind: bool

    def as_dict(self) -> dict:
        return asdict(self)


def build_ladder(
    stories: Sequence[str],
    foreign_stories: Sequence[str],
    language: Language,
    count: int = 30,
    seed: int = 0,
    kinds: Sequence[str] = tuple(KINDS),
) -> list[Completion]:
    """Damaged copies of `count` stories as completions: model is `kind@strength`, opening the story's first sentence.

    Raises UserError when too few stories are long enough.
    """
    parts = [sentences(story, language.sentence_ends) for story in stories]
    long_enough = [p[: LONGEST + 1] for p in parts if len(p) > SHORTEST]
    if len(long_enough) < 5:
        raise UserError(
            f"Only {len(long_enough)} of the {len(stories)} stories have more than {SHORTEST} sentences; the ladder needs 5 such stories."
        )
    around = surroundings(stories, foreign_stories, language)
    if not around.foreign_words:
        raise UserError("The ladder mixes in words of another language; give a file of its stories with --foreign.")
    chosen = Random(seed).sample(long_enough, min(count, len(long_enough)))
    rungs = []
    for index, (opening, *rest) in enumerate(chosen):
        steps = [("none@0", " ".join(rest))]
        for kind in kinds:
            for strength in STRENGTHS:
                dice = Random(f"{seed} {index} {kind} {strength}")
                steps.append((f"{kind}@{strength}", KINDS[kind](list(rest), strength, dice, around)))
        rungs += [Completion(opening, text, name, language.name, index) for name, text in steps]
    return rungs


def climb(ladder: Sequence[Completion], scores: Sequence[float], seed: int = 0) -> list[Rung]:
    """Read off the scores of `build_ladder`'s completions; NaN where a judge gave none."""
    table: dict[str, dict[float, dict[int, float]]] = {}
    for item, score in zip(ladder, scores, strict=True):
        kind, _, strength = item.model.rpartition("@")
        table.setdefault(kind, {}).setdefault(float(strength), {})[item.index] = float(score)
    whole = table.pop("none")[0.0]
    indices = sorted(whole)
    rungs = []
    for kind, by_strength in table.items():
        levels = [0.0, *sorted(by_strength)]
        grid = np.array([[(whole if x == 0 else by_strength[x]).get(i, np.nan) for x in levels] for i in indices])
        correlations = [
            0.0 if np.isnan(value := spearman(np.array(levels)[seen], row[seen])) else value
            for row in grid
            if (seen := ~np.isnan(row)).sum() >= 3
        ]
        drop = paired_intervals((grid[:, 0] - grid[:, -1])[:, None], n_bootstrap=2000, seed=seed)
        low, high = float(drop.low[0]), float(drop.high[0])
        means = tuple(round(float(column[~np.isnan(column)].mean()), 4) if not np.isnan(column).all() else math.nan for column in grid.T)
        mean_correlation = float(np.mean(correlations)) if correlations else float("nan")
        rungs.append(Rung(kind, means, mean_correlation, float(drop.mean[0]), low, high, not low > 0))
    return rungs


def quick_scores(ladder: Sequence[Completion]) -> list[float]:
    """The quick check's score of every completion."""
    return [quick_check(item.opening, item.completion, item.language).score for item in ladder]


def judge_scores(ladder: Sequence[Completion], ratings: Sequence[Rating], judge: str) -> dict[str, list[float]]:
    """A judge's grades of every completion, by criterion; NaN where it gave none."""
    given = {rating.story.key: rating.scores for rating in ratings if rating.judge == judge}
    return {name: [given[item.key][name] if item.key in given else math.nan for item in ladder] for name in CRITERIA}


def as_text(rungs: Sequence[Rung]) -> str:
    """The ladder as a table: a kind of damage a line, then those it is blind to."""
    steps = "  ".join(f"{x:>6.2f}" for x in (0, *STRENGTHS))
    lines = [f"{'damage':16}{steps}   rank corr.   drop (95 % interval)"]
    for rung in rungs:
        means = "  ".join(f"{x:6.3f}" for x in rung.means)
        blind = "  BLIND" if rung.blind else ""
        lines.append(
            f"{rung.kind:16}{means}   {rung.correlation:10.2f}   {rung.drop:.3f} ({rung.low:.3f} … {rung.high:.3f}){blind}"
        )
    blind = [rung.kind for rung in rungs if rung.blind]
    lines.append("Blind to: " + (", ".join(blind) if blind else "none of these") + ".")
    return "\n".join(lines)
