"""Scores as HTML: a judge's grades with their spread, the quick check's facts, tables over models."""

import html
from collections import defaultdict
from collections.abc import Sequence

from evaluation.completions import Completion
from evaluation.judge import as_table
from evaluation.quick_check import QuickCheck, quick_check
from evaluation.radar import radar
from evaluation.ratings import Rating
from evaluation.rubrics import CRITERIA

CHECKS = ("complete", "long_enough", "in_script", "unbroken", "no_repetition", "opening_carried")


def judged_html(ratings: Sequence[Rating], words: dict) -> str:
    """One story's judgements: radar, table of mean and spread, and the judge's own words."""
    table = as_table(ratings)
    names = words["criteria_choices"]
    rows = "".join(
        f'<tr><th scope="row">{names[criterion]}</th><td>{mean:.1f}</td><td>{_spread(low, high)}</td></tr>'
        for criterion, (mean, low, high) in table.items()
    )
    head = f'<thead><tr><td></td><th scope="col">{words["mean"]}</th><th scope="col">{words["spread"]}</th></tr></thead>'
    said = "".join(f"<li>{html.escape(rating.reason or rating.raw)[:1200]}</li>" for rating in ratings)
    first = ratings[0]
    judge = f"{first.judge} · {words['rubric_choices'][first.rubric]} · {words['judgements_made'].format(count=len(ratings))}"
    return (
        f'<div class="scores"><div>{radar({first.judge: table}, names)}</div>'
        f'<div class="scroll"><table class="facts">{head}<tbody>{rows}</tbody></table></div></div>'
        f'<p class="note">{html.escape(judge)}</p><details><summary>{words["judge_said"]}</summary><ol class="said">{said}</ol></details>'
    )


def checked_html(check: QuickCheck, words: dict) -> str:
    """One story's quick check, under its own name."""
    items = []
    for name in CHECKS:
        passed = check.passed[name]
        sign = {True: "✓", False: "✗", None: "–"}[passed]
        kind = {True: "yes", False: "no", None: "unknown"}[passed]
        items.append(f'<li class="{kind}"><span aria-hidden="true">{sign}</span> {words[f"check_{name}"]}</li>')
    facts = [
        (words["fact_words"], f"{check.words}"),
        (words["fact_sentence"], f"{check.words_per_sentence:.1f}"),
        (words["fact_script"], f"{100 * check.script_purity:.0f} %"),
        (words["fact_distinct"], f"{check.distinct_2:.2f}"),
        (words["fact_span"], f"{check.longest_repeated_span}"),
        (words["fact_opening"], "–" if check.opening_carried is None else f"{100 * check.opening_carried:.0f} %"),
    ]
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in facts)
    return (
        f'<p class="label">{words["quick"]}</p><div class="scores"><ul class="checks">{"".join(items)}</ul>'
        f'<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div></div>'
    )


def judged_many_html(ratings: Sequence[Rating], words: dict) -> str:
    """Means by model with intervals over openings, and a radar of the models."""
    import numpy as np

    from evaluation.statistics import mean_intervals

    groups: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in ratings:
        groups[rating.model, rating.language].append(rating)
    several = len({language for _, language in groups}) > 1
    shown, rows = {}, []
    for (model, language), group in sorted(groups.items()):
        values = np.array([[rating.scores[name] for name in CRITERIA] for rating in group])
        found = mean_intervals(values, [rating.opening for rating in group], n_bootstrap=2000)
        name = f"{model} · {language}" if several else model
        shown[name] = {c: (found.mean[i], found.low[i], found.high[i]) for i, c in enumerate(CRITERIA)}
        cells = "".join(f"<td>{mean:.2f}<small>{low:.2f}–{high:.2f}</small></td>" for mean, low, high in shown[name].values())
        rows.append(f'<tr><th scope="row">{html.escape(name)}</th>{cells}<td>{len(group)}</td></tr>')
    names = words["criteria_choices"]
    head = "".join(f'<th scope="col">{names[name]}</th>' for name in CRITERIA)
    table = (
        f'<table class="facts"><thead><tr><td></td>{head}<th scope="col">{words["judgements"]}</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    return f'<div class="scroll">{table}</div><p class="note">{words["interval_note"]}</p>{radar(shown, names)}'


def check_each(completions: Sequence[Completion]) -> list[QuickCheck]:
    """The quick check of each story."""
    return [quick_check(item.opening, item.completion, item.language, item.finished) for item in completions]


def checked_many(completions: Sequence[Completion], checks: Sequence[QuickCheck], words: dict) -> tuple[str, list[dict]]:
    """Many stories' checks: shares by model and language as a table, and one row a story."""
    rows, groups = [], defaultdict(list)
    for item, check in zip(completions, checks, strict=True):
        kept = {"model": item.model, "language": item.language, "opening": item.opening, "index": item.index}
        rows.append(kept | check.as_dict() | {"completion": item.completion})
        groups[item.model, item.language].append(check)
    head = "".join(f'<th scope="col">{words[f"check_{name}"]}</th>' for name in CHECKS)
    body = []
    for (model, language), checks in sorted(groups.items()):
        cells = "".join(f"<td>{_share([check.passed[name] for check in checks])}</td>" for name in CHECKS)
        body.append(f'<tr><th scope="row">{html.escape(model)} · {html.escape(language)}</th><td>{len(checks)}</td>{cells}</tr>')
    table = f'<table class="facts"><thead><tr><td></td><th>{words["stories"]}</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    return f'<p class="label">{words["quick"]}</p><div class="scroll">{table}</div>', rows


def _share(passed: list[bool | None]) -> str:
    known = [value for value in passed if value is not None]
    return f"{100 * sum(known) / len(known):.0f} %" if known else "–"


def _spread(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"
