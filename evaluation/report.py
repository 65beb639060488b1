"""A run's ratings as one self-contained HTML page and as Markdown."""

import json
import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from backend.files import writing
from evaluation.analysis import MEAN_OF_FIVE, analyse
from evaluation.diversity import diversity
from evaluation.examples import best_median_worst, side_by_side
from evaluation.page import interval, number, p_value, render
from evaluation.plots import distributions, heat_map, means_plot
from evaluation.quick_check import LABEL
from evaluation.quick_table import check_all
from evaluation.radar import radar
from evaluation.ratings import Rating
from evaluation.rubrics import CRITERIA
from evaluation.self_preference import SelfPreference

COLUMNS = (*CRITERIA, MEAN_OF_FIVE)
_SIDE_BY_SIDE = 5
_PACKAGES = ("numpy", "scipy", "krippendorff", "matplotlib")


def write_report(
    folder: Path,
    ratings: Sequence[Rating],
    title: str,
    *,
    runs: Sequence[dict] = (),
    ladders: Sequence[dict] = (),
    pairs: Sequence[dict] = (),
    human: Sequence[dict] = (),
    preference: Sequence[SelfPreference] = (),
) -> dict:
    """Write `report.html`, `report.md` and `report.json` into a folder; returns the analysis.

    `runs` are records of `run.json`, `ladders` and `pairs` what those commands write, `human` rows of corrected means.
    """
    analysis = analyse(ratings, configurations={run["model"]: run["configuration"] for run in runs})
    stories = list({rating.story.key: rating.story for rating in ratings if rating.completion}.values())
    facts = {
        "title": title,
        "a": analysis,
        "columns": COLUMNS,
        "groups": [group | {"plots": _plots(group)} for group in analysis["groups"]],
        "quick": {"label": LABEL, "table": check_all(stories)[0]} if stories else None,
        "diversity": _diversity(stories),
        "examples": best_median_worst(ratings),
        "side_by_side": [row for rows in side_by_side(stories, _SIDE_BY_SIDE).values() for row in rows],
        "settings": {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES},
        "runs": runs,
        "run_keys": [key for key in dict.fromkeys(key for run in runs for key in run) if key != "model"],
        "ladders": ladders,
        "pairs": pairs,
        "human": human,
        "preference": preference,
    }
    with writing(folder / "report.html") as file:
        file.write(render("report.html.j2", facts))
    with writing(folder / "report.md") as file:
        file.write(as_markdown(facts))
    kept = {key: facts[key] for key in ("settings", "runs", "quick", "ladders", "pairs", "human")}
    kept["preference"] = [asdict(found) for found in preference]
    with writing(folder / "report.json") as file:
        json.dump(analysis | kept, file, ensure_ascii=False, indent=1)
    return analysis


def as_markdown(facts: dict) -> str:
    """Tables only, for a model card, an issue or a terminal."""
    lines = [f"# {facts['title']}", "", f"{facts['a']['ratings']} ratings; 95 % intervals over openings; p by Holm."]
    for group in facts["groups"]:
        lines += [
            "",
            f"## {group['language']}, judged by {group['judge']}, {group['rubric']} rubric",
            "",
            *means_table(group["models"]),
        ]
        if group["comparisons"]:
            lines += ["", "| pair | difference | d | p (Holm) |", "| --- | --- | --- | --- |"]
            lines += [
                f"| {c['first']} − {c['second']} | {c['difference']:+.2f} {interval((c['difference'], c['low'], c['high']))} "
                f"| {number(c['effect_size'])} | {p_value(c['p_holm'])} |"
                for c in group["comparisons"]
            ]
        for name, found in (group["repeats"] or {}).items():
            lines += [""] * (name == CRITERIA[0]) + [f"- {name}: alpha between repeats {number(found['alpha'])}"]
    if facts["ladders"]:
        lines += ["", "## Is the judge any good?", ""]
    for ladder in facts["ladders"]:
        blind = [rung["kind"] for rung in ladder["rungs"] if rung["blind"]]
        lines.append(f"- {ladder['judge']}, {ladder['language']}: blind to {', '.join(blind) or 'none of the kinds tried'}")
    if facts["quick"]:
        lines += [
            "",
            f"## {LABEL}",
            "",
            "| model | language | score | complete | in script | no repetition |",
            "| --- " * 6 + "|",
        ]
        lines += [
            f"| {row['model']} | {row['language']} | {row['score']:.3f} | {number(row['complete'])} | {number(row['in_script'])} | {number(row['no_repetition'])} |"
            for row in facts["quick"]["table"]
        ]
    return "\n".join([*lines, "", *(f"- {key}: {value}" for key, value in facts["settings"].items()), ""])


def means_table(models: Sequence[dict]) -> list[str]:
    """The means of one analysed group as the lines of a Markdown table."""
    lines = ["| model | stories | " + " | ".join(COLUMNS) + " |", "| --- " * (len(COLUMNS) + 2) + "|"]
    for model in models:
        cells = [f"{model['means'][c][0]:.2f} {interval(model['means'][c])}" for c in COLUMNS]
        lines.append(f"| {model['model']} | {model['stories']} | " + " | ".join(cells) + " |")
    return lines


def _plots(group: dict) -> dict:
    means = {model["model"]: model["means"] for model in group["models"]}
    shown = dict(sorted(means.items(), key=lambda item: -item[1]["overall"][0])[:6])
    return {
        "means": means_plot(group["models"]),
        "radar": radar(shown),
        "heat": heat_map(group["models"]),
        "distributions": distributions(group["distribution"]),
    }


def _diversity(stories: Sequence) -> list[dict]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for story in stories:
        groups[story.model, story.language].append(story.completion)
    found = (
        {"model": f"{model}, {language}"} | diversity(texts, language)
        for (model, language), texts in sorted(groups.items())
    )
    return [row for row in found if row["texts"]]
