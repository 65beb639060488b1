"""The quick check over many completions: one row a story, one line a model and language."""

import math
from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from evaluation.completions import Completion
from evaluation.quick_check import CHECKS, quick_check

_COHERENCE = (
    "entities_returning",
    "second_half_continued",
    "sentences_linked",
    "mentions_near",
    "quotes_paired",
    "endings_fit",
)


def check_all(
    completions: list[Completion], extras: Mapping[str, list[float]] = MappingProxyType({})
) -> tuple[list[dict], list[dict]]:
    """The table by model and language, and one row a story. Shares are 0…1. `extras` hold further measures by story."""
    groups: dict[tuple[str, str], list[dict]] = defaultdict(list)
    rows = []
    for place, item in enumerate(completions):
        check = quick_check(item.opening, item.completion, item.language, item.finished)
        row = {"model": item.model, "language": item.language, "opening": item.opening, "index": item.index}
        row |= {key: value for key, value in check.as_dict().items() if key != "label"}
        row |= {name: None if math.isnan(values[place]) else values[place] for name, values in extras.items()}
        row["completion"] = item.completion
        rows.append(row)
        groups[item.model, item.language].append(row)
    return [_summary(model, language, group, list(extras)) for (model, language), group in sorted(groups.items())], rows


def _summary(model: str, language: str, rows: list[dict], extras: list[str]) -> dict:
    texts = [row["completion"] for row in rows]
    summary = {"model": model, "language": language, "stories": len(rows), "score": _mean(rows, "score")}
    for name in CHECKS:
        summary[name] = _mean([row["passed"] for row in rows], name)
    summary["with_eos"] = _mean(rows, "finished")
    summary["with_repeated_sentence"] = sum(row["repeated_sentences"] > 0 for row in rows) / len(rows)
    asked = [row["entities_carried"] > 0 for row in rows if row["entities_carried"] is not None]
    summary["with_entity_carried"] = sum(asked) / len(asked) if asked else None
    for name in ("script_purity", "opening_carried", "entities_carried", *_COHERENCE, "distinct_2", "longest_repeated_span"):
        summary[f"mean_{name}"] = _mean(rows, name)
    for name in ("words", "words_per_sentence"):
        summary[f"mean_{name}"] = _mean(rows, name)
    for name in extras:
        summary[f"mean_{name}"] = _mean(rows, name)
    summary["same_text_again"] = 1 - len(set(texts)) / len(texts)
    return summary


def _mean(rows: list[dict], name: str) -> float | None:
    values = [row[name] for row in rows if row[name] is not None]
    return round(sum(values) / len(values), 4) if values else None


def as_text(table: list[dict]) -> str:
    """The table turned on its side: one measure a line, one model and language a column."""
    names = list(table[0])
    cells = [[_cell(row[name]) for row in table] for name in names]
    widths = [max(len(line[i]) for line in cells) for i in range(len(table))]
    left = max(map(len, names))
    return "\n".join(
        name.ljust(left) + "  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for name, line in zip(names, cells, strict=True)
    )


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
