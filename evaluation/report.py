"""A run's ratings as one self-contained HTML page and as Markdown."""

import json
import platform
from collections import defaultdict
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from backend.files import writing
from evaluation.analysis import MEAN_OF_FIVE, analyse
from evaluation.diversity import diversity
from evaluation.plots import distributions, heat_map, means_plot
from evaluation.quick_check import LABEL
from evaluation.quick_table import check_all
from evaluation.radar import radar
from evaluation.ratings import Rating
from evaluation.rubrics import CRITERIA

COLUMNS = (*CRITERIA, MEAN_OF_FIVE)
_SIDE_BY_SIDE = 5
_PACKAGES = ("numpy", "scipy", "krippendorff", "matplotlib")


def write_report(
    folder: Path, ratings: Sequence[Rating], title: str, settings: dict | None = None, extras: dict | None = None
) -> dict:
    """Write `report.html`, `report.md` and `report.json` into a folder; returns the analysis.

    `extras` may hold `ladders` (as `ladder --out` writes them) and `human` (rows of corrected means).
    """
    analysis = analyse(ratings)
    stories = list({rating.story.key: rating.story for rating in ratings if rating.completion}.values())
    facts = {
        "title": title,
        "a": analysis,
        "columns": COLUMNS,
        "groups": [group | {"plots": _plots(group)} for group in analysis["groups"]],
        "quick": {"label": LABEL, "table": check_all(stories)[0]} if stories else None,
        "diversity": _diversity(stories),
        "examples": examples(ratings),
        "side_by_side": side_by_side(stories),
        "settings": _versions() | (settings or {}),
        "ladders": (),
        "human": (),
    } | (extras or {})
    page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    page.globals.update(interval=_interval, number=_number, p=_p_value, agreement=_agreement_table)
    with writing(folder / "report.html") as file:
        file.write(page.get_template("report.html.j2").render(facts))
    with writing(folder / "report.md") as file:
        file.write(as_markdown(facts))
    with writing(folder / "report.json") as file:
        json.dump(
            analysis | {"settings": facts["settings"], "quick": facts["quick"]}, file, ensure_ascii=False, indent=1
        )
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
                f"| {c['first']} − {c['second']} | {c['difference']:+.2f} {_interval((c['difference'], c['low'], c['high']))} "
                f"| {_number(c['effect_size'])} | {_p_value(c['p_holm'])} |"
                for c in group["comparisons"]
            ]
        for name, found in (group["repeats"] or {}).items():
            lines += [""] * (name == CRITERIA[0]) + [f"- {name}: alpha between repeats {_number(found['alpha'])}"]
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
            f"| {row['model']} | {row['language']} | {row['score']:.3f} | {_number(row['complete'])} | {_number(row['in_script'])} | {_number(row['no_repetition'])} |"
            for row in facts["quick"]["table"]
        ]
    return "\n".join([*lines, "", *(f"- {key}: {value}" for key, value in facts["settings"].items()), ""])


def means_table(models: Sequence[dict]) -> list[str]:
    """The means of one analysed group as the lines of a Markdown table."""
    lines = ["| model | stories | " + " | ".join(COLUMNS) + " |", "| --- " * (len(COLUMNS) + 2) + "|"]
    for model in models:
        cells = [f"{model['means'][c][0]:.2f} {_interval(model['means'][c])}" for c in COLUMNS]
        lines.append(f"| {model['model']} | {model['stories']} | " + " | ".join(cells) + " |")
    return lines


def examples(ratings: Sequence[Rating]) -> list[dict]:
    """Of each model and language the best, the median and the worst story by mean overall grade."""
    groups: dict[tuple[str, str], dict] = defaultdict(lambda: defaultdict(list))
    for rating in ratings:
        if rating.completion:
            groups[rating.model, rating.language][rating.story.key].append(rating)
    found = []
    for (model, language), stories in sorted(groups.items()):
        ordered = sorted(stories.values(), key=lambda some: -sum(r.scores["overall"] for r in some) / len(some))
        for which, place in {"best": 0, "median": len(ordered) // 2, "worst": len(ordered) - 1}.items():
            first, overall = ordered[place][0], [r.scores["overall"] for r in ordered[place]]
            shown = {key: getattr(first, key) for key in ("opening", "completion", "judge", "scores", "reason")}
            found.append(
                {"model": model, "language": language, "which": which, "overall": sum(overall) / len(overall), **shown}
            )
    return found


def side_by_side(stories: Sequence) -> list[dict]:
    """The first story of every model for a few openings that all models of a language have; nothing for one model."""
    table: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    models: dict[str, set] = defaultdict(set)
    for story in stories:
        models[story.language].add(story.model)
        table[story.language, story.opening].setdefault(story.model, story.completion.strip())
    shared = [
        key for key, by_model in sorted(table.items()) if len(models[key[0]]) > 1 and by_model.keys() == models[key[0]]
    ]
    step = max(1, len(shared) // _SIDE_BY_SIDE)
    return [{"opening": key[1], "stories": table[key]} for key in shared[::step][:_SIDE_BY_SIDE]]


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


def _agreement_table(by_criterion: dict) -> Markup:
    head = "<th>criterion</th><th>Krippendorff's α</th><th>Spearman's ρ</th><th>equal</th><th>stories</th>"
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_number(x['alpha'])}</td><td>{_number(x['spearman'])}</td>"
        f"<td>{_number(x['exact'])}</td><td>{x['items']}</td></tr>"
        for name, x in by_criterion.items()
    )
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")  # noqa: S704 – names are escaped


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}


def _interval(triple: Sequence[float]) -> str:
    return f"({triple[1]:.2f} … {triple[2]:.2f})"


def _number(value: float | None, digits: int = 2) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
