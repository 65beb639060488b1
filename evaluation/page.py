"""What the pages share: their templates, and how numbers and other people's texts are written."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from datagen.data_card import as_markdown


def render(template: str, facts: Mapping) -> str:
    """One of the pages. In HTML all texts are escaped; in Markdown those that pass the filter `md` or `quoted`."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=template.endswith(".html.j2"),
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    pages.globals.update(interval=interval, number=number, signed=signed, p=p_value, told=_told)
    pages.filters.update(md=in_line, quoted=quoted)
    return pages.get_template(template).render(facts)


def in_line(text: object) -> str:
    """A text as it stands, in one line of Markdown."""
    return as_markdown(" ".join(str(text).split()))


def quoted(text: str) -> str:
    """A text as it stands, as a quotation in Markdown."""
    return "\n".join(f"> {line}".rstrip() for line in as_markdown(text).split("\n"))


def _told(value: object) -> str:
    """A setting as one reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(part)}" for key, part in value.items())
    return "–" if value is None or value == "" else str(value)


def interval(triple: Sequence[float | None]) -> str:
    """The bounds of (mean, low, high); what stems from one opening only has none."""
    return "(no interval)" if _unknown(triple[1]) else f"({triple[1]:.2f} … {triple[2]:.2f})"


def number(value: float | None, digits: int = 2) -> str:
    """A count as it is, anything else rounded; a dash for None and NaN."""
    if _unknown(value):
        return "–"
    # What rounds to 0 has no sign.
    return str(value) if isinstance(value, int) else f"{round(value, digits) + 0.0:.{digits}f}"


def signed(value: float | None) -> str:
    """A difference with its sign; a dash for None and NaN."""
    return "–" if _unknown(value) else f"{value:+.2f}"


def in_json(facts: object) -> str:
    """Facts as JSON, in which NaN, that JSON does not know, is null."""
    return json.dumps(_known(facts), ensure_ascii=False, indent=1)


def _unknown(value: float | None) -> bool:
    return value is None or value != value


def _known(facts: object) -> object:
    if isinstance(facts, Mapping):
        return {key: _known(value) for key, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [_known(value) for value in facts]
    return None if isinstance(facts, float) and _unknown(facts) else facts


def p_value(value: float) -> str:
    """Three digits, never 0."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
