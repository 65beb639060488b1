"""What the pages share: their templates, and how numbers are written."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader


def render(template: str, facts: dict) -> str:
    """One of the pages; texts in it are escaped."""
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True, trim_blocks=True)
    pages.globals.update(interval=interval, number=number, p=p_value, told=_told)
    return pages.get_template(template).render(facts)


def _told(value: object) -> str:
    """A setting as one reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(part)}" for key, part in value.items())
    return "–" if value is None or value == "" else str(value)


def interval(triple: Sequence[float]) -> str:
    """The bounds of (mean, low, high)."""
    return f"({triple[1]:.2f} … {triple[2]:.2f})"


def number(value: float | None, digits: int = 2) -> str:
    """A count as it is, anything else rounded; a dash for None."""
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def p_value(value: float) -> str:
    """Three digits, never 0."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
