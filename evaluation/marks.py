"""Marks of story models on openings that all of them share, as the rows of one table and a section of a model's card."""

from collections.abc import Callable, Sequence
from pathlib import Path

from backend.files import writing
from backend.slm.catalog import ModelFolder
from backend.slm.spelling import WORDS
from evaluation.card import with_section
from evaluation.completions import Completion
from evaluation.quick_check import LABEL
from evaluation.quick_table import check_all
from evaluation.unknown_words import unknown_shares

# Column of the table: where the quick check's table has it. All are shares, 0…1.
COLUMNS = {
    "ends with eos": "with_eos",
    "ends a sentence": "complete",
    "in script": "mean_script_purity",
    "repeats a sentence": "with_repeated_sentence",
    "carries an entity": "with_entity_carried",
    "unknown words": "mean_unknown_words",
    "same text again": "same_text_again",
}

SPELLED = (
    f"They are told by TinyStories Regional, which lets a model write the words of its `{WORDS}` and of the opening alone, and "
    "favours what the opening names; with other software it writes freely. "
)


def mark(completions: Sequence[Completion], texts: Callable[[str], object]) -> list[dict]:
    """A row a model and language. `texts` gives the reference texts of a language, against which words count as unknown."""
    rows = []
    for language in sorted({item.language for item in completions}):
        some = [item for item in completions if item.language == language]
        table, _ = check_all(some, {"unknown_words": unknown_shares(some, texts(language))})
        for found in table:
            row = {key: found[key] for key in ("model", "language", "stories")}
            row["openings"] = len({item.opening for item in some if item.model == found["model"]})
            rows.append(row | {name: found[key] for name, key in COLUMNS.items()})
    return sorted(rows, key=lambda row: (row["model"], row["language"]))


def as_markdown(rows: Sequence[dict]) -> str:
    """The rows as a Markdown table."""
    lines = ["| model | language | openings | stories | " + " | ".join(COLUMNS) + " |"]
    lines.append("| --- " * (4 + len(COLUMNS)) + "|")
    for row in rows:
        cells = ["–" if row[name] is None else f"{row[name]:.3f}" for name in COLUMNS]
        lines.append(f"| {row['model']} | {row['language']} | {row['openings']} | {row['stories']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_marks(model: ModelFolder, rows: Sequence[dict], reference: str) -> Path:
    """Put the model's own rows into its card, in place of earlier ones; returns the card."""
    path = model.path / "README.md"
    text = path.read_text("utf-8") if path.exists() else f"# {model.name}\n"
    mine = as_markdown([row for row in rows if row["model"] == model.name])
    told = SPELLED if (model.path / WORDS).exists() else ""
    section = f"## {LABEL}\n\nShares of completions of openings it never saw in training. {told}{reference}\n\n{mine}"
    with writing(path) as file:
        file.write(with_section(text, section, "marks"))
    return path
