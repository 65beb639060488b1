"""Does a judge favour models whose training stories its own family wrote?

Leniency alone shows nothing: a judge may be kind to all. What shows is that its kindness, measured against judges of
other families on the same stories, is larger for its own family's pupils than for the others. So it takes two judges
of different families and models taught by different ones; else it can only be said that the question stays open.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.errors import UserError
from evaluation.pairwise import Verdict
from evaluation.ratings import Rating
from evaluation.statistics import paired_intervals

_FAMILIES = {
    "OpenAI": ("gpt", "chatgpt", "davinci", "o1", "o3", "o4"),
    "Google": ("gemini", "gemma", "palm"),
    "Anthropic": ("claude",),
    "Meta": ("llama",),
    "Mistral": ("mistral", "mixtral", "ministral", "magistral", "codestral"),
    "Alibaba": ("qwen", "qwq"),
    "DeepSeek": ("deepseek",),
    "Sarvam": ("sarvam",),
}


@dataclass(frozen=True)
class SelfPreference:
    """A judge and the models that its family taught. `grades` is by how much it prefers them, None when that cannot be told."""

    language: str
    judge: str
    family: str
    own: tuple[str, ...]
    others: tuple[str, ...]
    grades: float | None = None
    low: float | None = None
    high: float | None = None


def family(name: str) -> str:
    """The maker of a large model by its name; an unknown one's is the name's own first word."""
    parts = re.split(r"[^a-z0-9.]+", name.rpartition("/")[2].lower())
    for maker, beginnings in _FAMILIES.items():
        if parts[0].startswith(beginnings):
            return maker
    return parts[0]


def read_writers(options: Sequence[str], models: Collection[str]) -> dict[str, str]:
    """Who wrote each model's training stories, from `MODEL=LLM` or `*=LLM`. Raises UserError for another form or model."""
    found: dict[str, str] = {}
    for text in options:
        model, _, writer = text.rpartition("=")
        if not writer or (model != "*" and model not in models):
            raise UserError(
                f"--written-by '{text}' is not of the form MODEL=LLM with one of the models {', '.join(sorted(models))}, or *=LLM."
            )
        found |= dict.fromkeys(models, writer) | found if model == "*" else {model: writer}
    return found


def self_preference(ratings: Sequence[Rating], writers: Mapping[str, str]) -> list[SelfPreference]:
    """For every judge of a family that wrote some model's stories, how it treats those. `writers`: by model, who wrote them."""
    found = []
    for language, rubric in sorted({(rating.language, rating.rubric) for rating in ratings}):
        here = [rating for rating in ratings if (rating.language, rating.rubric) == (language, rubric)]
        models = sorted({rating.model for rating in here} & writers.keys())
        for judge in sorted({rating.judge for rating in here}):
            own = tuple(model for model in models if family(writers[model]) == family(judge))
            if own:
                others = tuple(model for model in models if model not in own)
                told = _compare(here, judge, own, others)
                found.append(SelfPreference(language, judge, family(judge), own, others, *told))
    return found


def pair_preference(
    verdicts: Mapping[str, Mapping[str, Verdict]], judge: str, own_first: bool
) -> tuple[float, float, float] | None:
    """By how much a judge's win rate for its own family's pupil exceeds what judges of other families say of the same pairs.

    `verdicts` are of one pair of models, by judge and pair. Mean and interval over openings; None without such judges.
    """
    foreign = [name for name in verdicts if family(name) != family(judge)]
    by_opening = defaultdict(list)
    for key, verdict in verdicts[judge].items():
        said = [verdicts[name][key].result for name in foreign if key in verdicts[name]]
        if said:
            excess = verdict.result - float(np.mean(said))
            by_opening[verdict.opening].append(excess if own_first else -excess)
    if len(by_opening) < 2:
        return None
    interval = paired_intervals(np.array([np.mean(values) for values in by_opening.values()])[:, None])
    return float(interval.mean[0]), float(interval.low[0]), float(interval.high[0])


def _compare(ratings: Sequence[Rating], judge: str, own: Sequence[str], others: Sequence[str]) -> tuple[float, ...]:
    """The difference of differences of overall grades, over openings; () when it cannot be had."""
    mine, foreign = defaultdict(list), defaultdict(list)
    for rating in ratings:
        if rating.judge == judge:
            mine[rating.story.key].append(rating.scores["overall"])
        elif family(rating.judge) != family(judge):
            foreign[rating.story.key].append(rating.scores["overall"])
    kindness: dict[str, dict[bool, list[float]]] = defaultdict(lambda: {True: [], False: []})
    for key in mine.keys() & foreign.keys():
        if key[0] in own or key[0] in others:
            kindness[key[2]][key[0] in own].append(float(np.mean(mine[key]) - np.mean(foreign[key])))
    differences = [np.mean(both[True]) - np.mean(both[False]) for both in kindness.values() if both[True] and both[False]]
    if len(differences) < 2:
        return ()
    interval = paired_intervals(np.array(differences)[:, None])
    return float(interval.mean[0]), float(interval.low[0]), float(interval.high[0])
