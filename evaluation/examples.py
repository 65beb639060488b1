"""Stories to look at: the best, median and worst by the judges, and the same openings over all models."""

from collections import defaultdict
from collections.abc import Sequence

from evaluation.completions import Completion
from evaluation.page import in_line, quoted
from evaluation.ratings import Rating


def best_median_worst(ratings: Sequence[Rating]) -> list[dict]:
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


def side_by_side(stories: Sequence[Completion], count: int) -> dict[str, list[dict]]:
    """By language, the first story of every model for `count` openings that all of its models have.

    The openings are taken at even steps, so that nobody picks. A language with one model only is left out.
    """
    table: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for story in sorted(stories, key=lambda story: story.index):
        table[story.language][story.opening].setdefault(story.model, story.completion.strip())
    found = {}
    for language, by_opening in sorted(table.items()):
        models = {model for by_model in by_opening.values() for model in by_model}
        shared = sorted(opening for opening, by_model in by_opening.items() if by_model.keys() == models)
        if len(models) > 1 and shared:
            shown = shared[:: max(1, len(shared) // count)][:count]
            found[language] = [{"opening": opening, "stories": dict(sorted(by_opening[opening].items()))} for opening in shown]
    return found


def as_markdown(languages: dict[str, list[dict]], title: str) -> str:
    """What `side_by_side` found, as Markdown."""
    lines = [f"# {in_line(title)}", ""]
    for language, openings in languages.items():
        lines += [f"## {language}", ""]
        for row in openings:
            lines += [f"### {in_line(row['opening'])}", ""]
            for model, text in row["stories"].items():
                lines += [f"**{in_line(model)}**", "", quoted(text), ""]
    return "\n".join(lines)
