"""Scores as HTML: a judge's grades with their spread, the quick check's facts, tables over models."""

import html
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

from backend.languages import load_language
from backend.llm.prices import Price
from evaluation.completions import Completion
from evaluation.judge import as_table
from evaluation.quick_check import CHECKS, QuickCheck, quick_check
from evaluation.radar import radar
from evaluation.ratings import Rating
from evaluation.rubrics import CRITERIA, NotAScore
from spaces.desk import note_html
from spaces.judging import Judging, cost_of
from spaces.story import message_html

_SIDE_BY_SIDE = 3  # models that a phone has room for
_MOST_REFUSED = 3  # answers without a score that are shown


def judged_html(ratings: Sequence[Rating], words: dict) -> str:
    """One story's judgements: radar, table of mean and spread, and the judge's own words."""
    table = as_table(ratings)
    names = words["criteria_choices"]
    rows = "".join(
        f'<tr><th scope="row">{names[criterion]}</th><td>{mean:.1f}</td><td>{_spread(low, high)}</td></tr>'
        for criterion, (mean, low, high) in table.items()
    )
    head = f'<thead><tr><td></td><th scope="col">{words["mean"]}</th><th scope="col">{words["spread"]}</th></tr></thead>'
    return (
        f'<div class="scores"><div>{radar({ratings[0].judge: table}, names)}</div>'
        f'<div class="scroll"><table class="facts">{head}<tbody>{rows}</tbody></table></div></div>'
        f'<p class="note">{_asked(ratings, words)}</p>{said_html([rating.reason or rating.raw for rating in ratings], words)}'
    )


def said_html(texts: Sequence[str], words: dict) -> str:
    """A judge's own words, folded."""
    said = "".join(f"<li>{html.escape(text[:1200])}</li>" for text in texts)
    return f'<details><summary>{words["judge_said"]}</summary><ol class="said">{said}</ol></details>'


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
    """Means by model with intervals over openings, or of one opening with their spread, and a radar of the models."""
    import numpy as np

    from evaluation.statistics import mean_intervals

    groups = _by_model(ratings)
    # One opening tells nothing of how another would have fared: its judgements' own spread is shown.
    intervals = all(len({rating.opening for rating in group}) > 1 for group in groups.values())
    shown, rows = {}, {}
    for name, group in groups.items():
        values = np.array([[rating.scores[criterion] for criterion in CRITERIA] for rating in group])
        if intervals:
            found = mean_intervals(values, [rating.opening for rating in group], n_bootstrap=2000)
            bounds = zip(found.mean, found.low, found.high, strict=True)
        else:
            bounds = zip(values.mean(0), values.min(0), values.max(0), strict=True)
        shown[name] = dict(zip(CRITERIA, bounds, strict=True))
        cells = [
            f"{mean:.2f}<small>{f'{low:.1f}–{high:.1f}' if intervals else _spread(low, high)}</small>"
            for mean, low, high in shown[name].values()
        ]
        rows[name] = [*cells, str(len(group))]
    names = words["criteria_choices"]
    note = words["interval_note"] if intervals else f"{words['mean']}; {words['spread']}"
    table = _table([*(names[criterion] for criterion in CRITERIA), words["judgements"]], rows)
    return f'{table}<p class="note">{_asked(ratings, words)}<br>{note}</p>{radar(shown, names)}'


def spent_html(state: Judging, price: Price | None, words: dict) -> str:
    """What all answers took, those that held no score too."""
    tokens_in, tokens_out = (sum(getattr(a, f"{way}_tokens") or 0 for a in state.answers) for way in ("input", "output"))
    cost = sum(cost_of(answer, price) for answer in state.answers)
    money = f", {dollars(cost)}" if cost else ""
    stopped = f" · {words['stopped']}" if state.stopped else ""
    return note_html(words["spent"].format(done=state.done, asked=state.asked, tin=tokens_in, tout=tokens_out) + money + stopped)


def dollars(cost: float) -> str:
    """An amount as one reads it."""
    return f"${cost:.{2 if cost >= 0.1 else 4}f}"


def problems_html(state: Judging, words: dict) -> str:
    """How many questions have no score and why, and some of the answers that held none."""
    if not state.failed:
        return ""
    why = [error for _, error in state.failed]
    told = message_html(words["judge_failed"].format(count=len(why), reason=str(why[0])[:200]), "problem")
    refused = [error.answer for error in why if isinstance(error, NotAScore) and error.answer.strip()]
    return told + (said_html(refused[:_MOST_REFUSED], words) if refused else "")


def check_each(completions: Sequence[Completion]) -> list[QuickCheck]:
    """The quick check of each story."""
    return [quick_check(item.opening, item.completion, item.language, item.finished) for item in completions]


def checked_many(completions: Sequence[Completion], checks: Sequence[QuickCheck], words: dict) -> tuple[str, list[dict]]:
    """Many stories' checks: shares by model and language as a table, and one row a story."""
    rows = []
    for item, check in zip(completions, checks, strict=True):
        kept = {"model": item.model, "language": item.language, "opening": item.opening, "index": item.index}
        rows.append(kept | check.as_dict() | {"completion": item.completion})
    shares = {
        name: [str(len(group)), *(_share([row["passed"][check] for row in group]) for check in CHECKS)]
        for name, group in _by_model(rows, lambda row: (row["model"], row["language"])).items()
    }
    table = _table([words["stories"], *(words[f"check_{name}"] for name in CHECKS)], shares)
    return f'<p class="label">{words["quick"]}</p>{table}', rows


def _asked(ratings: Sequence[Rating], words: dict) -> str:
    """Who judged, by which rubric and how often: the page's choices may be others by now."""
    first = ratings[0]
    judge = f"{first.judge} · {words['rubric_choices'][first.rubric]} · {words['judgements_made'].format(count=len(ratings))}"
    return html.escape(judge)


def _by_model(rows: Sequence, key: Callable = attrgetter("model", "language")) -> dict[str, list]:
    """Rows by their model, and where there are several languages by both."""
    groups: dict[tuple[str, str], list] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    several = len({language for _, language in groups}) > 1
    return {
        f"{model} · {load_language(language).native_name}" if several else model: group
        for (model, language), group in sorted(groups.items())
    }


def _table(measures: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Cells by name and measure. Few names stand side by side, which fits a phone; many one below the other."""
    names = [html.escape(name) for name in rows]
    head, body = measures, list(zip(names, rows.values(), strict=True))
    if len(rows) <= _SIDE_BY_SIDE:
        head, body = names, list(zip(measures, zip(*rows.values(), strict=True), strict=True))
    top = "".join(f'<th scope="col">{title}</th>' for title in head)
    lines = "".join(
        f'<tr><th scope="row">{title}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for title, cells in body
    )
    return f'<div class="scroll"><table class="facts"><thead><tr><td></td>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def _share(passed: list[bool | None]) -> str:
    known = [value for value in passed if value is not None]
    return f"{100 * sum(known) / len(known):.0f} %" if known else "–"


def _spread(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"
