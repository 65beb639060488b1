"""A run's ratings as one self-contained HTML page, and as Markdown with its plots beside it."""

import platform
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from backend.files import writing
from evaluation.analysis import MEAN_OF_FIVE, analyse
from evaluation.diversity import diversity
from evaluation.examples import best_median_worst, side_by_side
from evaluation.page import in_json, in_line, interval, render
from evaluation.pair_table import as_markdown as pairs_as_markdown
from evaluation.plots import distributions, heat_map, means_plot, standing_alone
from evaluation.quick_check import LABEL
from evaluation.quick_table import check_all
from evaluation.radar import radar
from evaluation.ratings import Rating
from evaluation.rubrics import CRITERIA
from evaluation.self_preference import SelfPreference

COLUMNS = (*CRITERIA, MEAN_OF_FIVE)
_SIDE_BY_SIDE = 5
IN_RADAR = 6  # models, as many as it has colours
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
    """Write `report.html`, `report.md` with `plots/`, and `report.json` into a folder; returns the analysis.

    `runs` are records of `run.json`, `ladders` and `pairs` what those commands write, `human` rows of corrected means.
    """
    analysis = analyse(ratings, configurations={run["model"]: run["configuration"] for run in runs})
    stories = list({rating.story.key: rating.story for rating in ratings if rating.completion}.values())
    facts = {
        "title": title,
        "a": analysis,
        "columns": COLUMNS,
        "in_radar": IN_RADAR,
        "groups": [_with_plots(group, number, folder) for number, group in enumerate(analysis["groups"], 1)],
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
        file.write(render("report.md.j2", facts | {"means_table": means_table, "pair_lines": pairs_as_markdown(pairs, in_line)}))
    kept = {key: facts[key] for key in ("settings", "runs", "quick", "ladders", "pairs", "human")}
    kept["preference"] = [asdict(found) for found in preference]
    with writing(folder / "report.json") as file:
        file.write(in_json(analysis | kept))
    return analysis


def means_table(models: Sequence[dict], named: Callable[[str], str] = in_line) -> list[str]:
    """The means of one analysed group as the lines of a Markdown table; `named` writes the models' names."""
    lines = ["| model | stories | " + " | ".join(COLUMNS) + " |", "| --- " * (len(COLUMNS) + 2) + "|"]
    for model in models:
        cells = [f"{model['means'][c][0]:.2f} {interval(model['means'][c])}" for c in COLUMNS]
        lines.append(f"| {named(model['model'])} | {model['stories']} | " + " | ".join(cells) + " |")
    return lines


def _with_plots(group: dict, place: int, folder: Path) -> dict:
    """The group with its plots as SVG texts, and as files that the Markdown page shows."""
    means = {model["model"]: model["means"] for model in group["models"]}
    shown = dict(sorted(means.items(), key=lambda item: -item[1]["overall"][0])[:IN_RADAR])
    plots = {
        "means": means_plot(group["models"]),
        "radar": radar(shown),
        "heat": heat_map(group["models"]),
        "distributions": distributions(group["distribution"]),
    }
    files = {name: f"plots/{place}-{name}.svg" for name, svg in plots.items() if svg}
    for name, file in files.items():
        with writing(folder / file) as out:
            out.write(standing_alone(plots[name]))
    return group | {"plots": plots, "files": files}


def _diversity(stories: Sequence) -> list[dict]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for story in stories:
        groups[story.model, story.language].append(story.completion)
    found = (
        {"model": f"{model}, {language}"} | diversity(texts, language)
        for (model, language), texts in sorted(groups.items())
    )
    return [row for row in found if row["texts"]]
