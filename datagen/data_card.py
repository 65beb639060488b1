"""The card of an exported dataset: its README.md, written from the journal and from what was exported."""

import html
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
import pyarrow.compute as compute
import yaml

from backend.languages import language_names, load_language
from backend.llm.journal import JournalView

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))
_KIND = ("language", "complexity", "provider", "model")
_INLINE = re.compile(r"([\\`*_\[\]|~$])")
_AT_THE_START = re.compile(r"^(\s*)([#>+\-=]|\d+(?=[.)]))", re.MULTILINE)
_PROMPTED = "Short stories for children of 5 to 7 years, each for a prompt of its own, made with TinyStories Regional."
_STORYTELLER = (
    "Stories of the provider `storyteller` are not the work of a language model: a **story grammar** fills plots written "
    "by hand with the prompt's words. They are for trials and demos, and no measure of what a large model would write."
)
_LICENCE = (
    "The prompts are those of [Regional Tiny Stories](https://arxiv.org/abs/2504.07989). What may be done with stories "
    "that a model wrote is settled by the terms of the provider that answered: read them before the dataset is passed on."
)


@dataclass
class Exported:
    """What an export has counted. `bytes` are of the files of each split; `examples` a few of its rows."""

    rows: Counter = field(default_factory=Counter)  # by split
    bytes: Counter = field(default_factory=Counter)  # by split
    kinds: Counter = field(default_factory=Counter)  # by the columns of _KIND
    notes: Counter = field(default_factory=Counter)  # by name of a check
    characters: int = 0
    near_duplicates: int = 0
    threshold: float = 0.0
    examples: list[dict] = field(default_factory=list)

    def count(self, split: str, table: pyarrow.Table) -> None:
        """More rows of the dataset."""
        self.rows[split] += len(table)
        for row in table.group_by(list(_KIND)).aggregate([([], "count_all")]).to_pylist():
            self.kinds[tuple(row[name] for name in _KIND)] += row["count_all"]
        for note in compute.value_counts(compute.list_flatten(table["checks"].combine_chunks())).to_pylist():
            self.notes[note["values"]] += note["counts"]
        self.characters += compute.sum(compute.utf8_length(table["story"])).as_py()


def data_card(name: str, exported: Exported, journal: JournalView, schema: pyarrow.Schema, suffix: str) -> str:
    """Markdown with the front matter by which `load_dataset` finds the splits and their types."""
    return "\n".join([*_front_matter(exported, schema, suffix), *_body(name, exported, journal)]) + "\n"


def as_markdown(text: str) -> str:
    """A text that shows as it stands: what Markdown or HTML would take for its own is escaped."""
    return _AT_THE_START.sub(r"\1\\\2", _INLINE.sub(r"\\\1", html.escape(text, quote=False)))


def _front_matter(exported: Exported, schema: pyarrow.Schema, suffix: str) -> list[str]:
    known, total = language_names(), sum(exported.rows.values())
    languages = sorted({language for language, *_ in exported.kinds if language in known})
    matter = {
        "language": [load_language(name).code for name in languages],
        "license": "other",
        "task_categories": ["text-generation"],
        "tags": ["tinystories-regional", "synthetic"],
        "size_categories": [next((size for bound, size in _SIZES if total < bound), "100M<n<1B")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.{suffix}"} for split in exported.rows],
            }
        ],
        "dataset_info": {
            "features": [_feature(column) for column in schema],
            "splits": [
                {"name": split, "num_bytes": exported.bytes[split], "num_examples": count}
                for split, count in exported.rows.items()
            ],
        },
    }
    return ["---", yaml.safe_dump(matter, sort_keys=False, allow_unicode=True).rstrip(), "---", ""]


def _feature(column: pyarrow.Field) -> dict:
    if pyarrow.types.is_list(column.type):
        return {"name": column.name, "sequence": _type_name(column.type.value_type)}
    return {"name": column.name, "dtype": _type_name(column.type)}


def _type_name(kind: pyarrow.DataType) -> str:
    return {"double": "float64"}.get(str(kind), str(kind))


def _body(name: str, exported: Exported, journal: JournalView) -> list[str]:
    tallies, total = journal.tallies(), sum(exported.rows.values())
    lines = [f"# {as_markdown(name)}", ""]
    lines += [_about(journal), ""]
    if any(provider == "storyteller" for _, _, provider, _ in exported.kinds):
        lines += [_STORYTELLER, ""]
    lines += _table(("split", "stories"), [(split, f"{count:,}") for split, count in exported.rows.items()])
    lines += [f"{exported.characters / total:,.0f} characters a story on average.", ""]
    lines += ["## What wrote them", ""]
    kinds = [(*map(_cell, kind), f"{count:,}") for kind, count in exported.kinds.most_common()]
    lines += _table(("language", "complexity of the prompt", "provider", "model", "stories"), kinds)
    lines += _spent(tallies)
    lines += _prompts(journal)
    lines += _checks(exported, tallies)
    lines += ["## Examples", ""]
    for row in exported.examples:
        asked = ", ".join(str(row[key]) for key in ("noun", "verb", "adjective", "feature") if row.get(key))
        lines += [f"{_cell(row['id'])}{': ' if asked else ''}{as_markdown(asked)}", ""]
        lines += [f"> {line}".rstrip() for line in as_markdown(row["story"]).split("\n")] + [""]
    return [*lines, "## Licence", "", _LICENCE]


def _about(journal: JournalView) -> str:
    translation = journal.meta("translation")
    if not translation:
        return _PROMPTED
    source = str(journal.meta("source") or "a data set")
    shown = Path(source).name if Path(source).exists() else source  # folders of this machine are nobody's business
    return (
        f"{as_markdown(shown)}, its column {as_markdown(translation['column'])}, translated from {translation['from'].capitalize()} "
        f"to {translation['to'].capitalize()} with TinyStories Regional; each row has the id of its source."
    )


def _spent(tallies: dict[str, float]) -> list[str]:
    attempts, tokens_in, tokens_out = (int(tallies.get(key, 0)) for key in ("attempts", "input_tokens", "output_tokens"))
    cost = f"${tallies['cost']:,.4f}" if tallies.get("cost") else "no known cost" if tallies.get("unpriced") else "nothing"
    return [f"{attempts:,} attempts in all, {tokens_in:,} tokens in and {tokens_out:,} out, {cost}; rejected ones included.", ""]


def _prompts(journal: JournalView) -> list[str]:
    lines = []
    for style, template in sorted(journal.meta("templates", {}).items()):
        lines += [f"### {as_markdown(style)}", "", "```text", template.replace("{{", "{").replace("}}", "}"), "```", ""]
    plans = [(_cell(plan), f"{values['prompts']:,}") for plan, values in sorted(journal.meta("plans", {}).items())]
    if plans:
        lines += _table(("language, complexity, seed, shard", "prompts"), plans)
    return ["## Prompts", "", *lines] if lines else []


def _checks(exported: Exported, tallies: dict[str, float]) -> list[str]:
    reasons = {kind: _by_reason(tallies, f"{kind}: ") for kind in ("rejected", "dead")}
    names = sorted({*reasons["rejected"], *reasons["dead"], *exported.notes}, key=lambda name: -reasons["rejected"].get(name, 0))
    rows = [
        (_cell(name), *(f"{found.get(name, 0):,}" for found in (reasons["rejected"], reasons["dead"], exported.notes)))
        for name in names
    ]
    lines = ["## Checks", ""]
    if rows:
        lines += ["Answers that a check rejected were asked for again; the prompt of a dead letter has no story.", ""]
        lines += _table(("check or fault", "answers rejected", "dead letters", "stories that it only notes"), rows)
    if exported.threshold:
        lines.append(
            f"{exported.near_duplicates:,} near-duplicates were left out: their word 5-grams have a Jaccard similarity of "
            f"{exported.threshold:g} or more to those of a story that was kept."
            + (" They stand in `near-duplicates.jsonl.gz`." if exported.near_duplicates else "")
        )
        lines += ["", "Stories that are linked by such a likeness lie in one split.", ""]
    return lines


def _by_reason(tallies: dict[str, float], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): int(value) for name, value in tallies.items() if name.startswith(prefix) and value}


def _cell(value) -> str:
    return as_markdown(" ".join(str(value).split())) if value is not None else ""


def _table(head: tuple[str, ...], rows: list[tuple]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), ""]
