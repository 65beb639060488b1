"""`python -m evaluation quick`: the quick check over a file of completions, by model and language."""

import json
from collections import defaultdict
from pathlib import Path

import click

from backend.files import writing
from evaluation.completions import Completion, read_completions, read_rows
from evaluation.quick_check import CHECKS, LABEL, quick_check
from evaluation.text import words


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--corpus",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSONL of the training stories: tells the share of words that never occur in it",
)
@click.option("--column", default="story", show_default=True, help="the corpus's text column")
@click.option("--language", help="for files that do not say it")
@click.option("--out", type=click.Path(path_type=Path), help="a JSON file for the table and every story's row")
def quick(files: tuple[Path, ...], corpus: Path | None, column: str, language: str | None, out: Path | None) -> None:
    """Check completions offline. A heuristic on form, not a judge of meaning."""
    completions = [item for path in files for item in read_completions(path, language)]
    known = corpus_words(corpus, column) if corpus else None
    table, rows = check_all(completions, known)
    click.echo(LABEL)
    click.echo(as_text(table))
    if out:
        with writing(out) as file:
            json.dump(
                {"label": LABEL, "checks": CHECKS, "table": table, "rows": rows}, file, ensure_ascii=False, indent=1
            )


def corpus_words(path: Path, column: str = "story") -> frozenset[str]:
    """Every word of a corpus, in lower case."""
    known: set[str] = set()
    for row in read_rows(path):
        known.update(words(str(row.get(column, ""))))
    return frozenset(known)


def check_all(completions: list[Completion], known: frozenset[str] | None = None) -> tuple[list[dict], list[dict]]:
    """The table by model and language, and one row a story. Shares are 0…1."""
    groups: dict[tuple[str, str], list[dict]] = defaultdict(list)
    rows = []
    for item in completions:
        check = quick_check(item.opening, item.completion, item.language, item.finished)
        row = {"model": item.model, "language": item.language, "opening": item.opening, "index": item.index}
        row |= {key: value for key, value in check.as_dict().items() if key != "label"}
        if known is not None:
            said = words(item.completion)
            row["unknown_words"] = sum(word not in known for word in said) / len(said) if said else 0.0
        row["completion"] = item.completion
        rows.append(row)
        groups[item.model, item.language].append(row)
    return [_summary(model, language, group) for (model, language), group in sorted(groups.items())], rows


def _summary(model: str, language: str, rows: list[dict]) -> dict:
    texts = [row["completion"] for row in rows]
    summary = {"model": model, "language": language, "stories": len(rows), "score": _mean(rows, "score")}
    for name in CHECKS:
        summary[name] = _mean([row["passed"] for row in rows], name)
    summary["with_eos"] = _mean(rows, "finished")
    summary["with_repeated_sentence"] = sum(row["repeated_sentences"] > 0 for row in rows) / len(rows)
    for name in ("script_purity", "opening_carried", "entities_carried", "distinct_2", "longest_repeated_span"):
        summary[f"mean_{name}"] = _mean(rows, name)
    for name in ("words", "words_per_sentence"):
        summary[f"mean_{name}"] = _mean(rows, name)
    if "unknown_words" in rows[0]:
        summary["unknown_words"] = _mean(rows, "unknown_words")
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
