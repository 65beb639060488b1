"""A radar of the six grades as one small SVG text, drawn without a plotting library so that the app can show it too."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from evaluation.rubrics import CRITERIA

_COLOURS = ("#2f6fb2", "#c2571a", "#3d8b40", "#a6386b", "#6b52a1", "#8a6d1d")
_SIZE, _RADIUS, _TOP = 360, 120, 10.0


def radar(scores: Mapping[str, Mapping[str, Sequence[float]]], labels: Mapping[str, str] | None = None) -> str:
    """Each name's (mean, low, high) by criterion as a line with a band. `labels` rename the criteria."""
    parts = [_ring(grade) for grade in (2, 4, 6, 8, 10)]
    for place, name in enumerate(CRITERIA):
        x, y = _point(place, 11.4)
        text = (labels or {}).get(name, name)
        anchor = "middle" if abs(x - _SIZE / 2) < 20 else ("start" if x > _SIZE / 2 else "end")
        lines = text.split(" ", 1)
        y -= 16 * (len(lines) - 1) if place == 0 else 0
        spans = "".join(
            f'<tspan x="{x:.1f}" dy="{0 if i == 0 else 16}">{escape(line)}</tspan>' for i, line in enumerate(lines)
        )
        parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="14" fill="currentColor">{spans}</text>'
        )
    for (name, by_criterion), colour in zip(scores.items(), _COLOURS * len(scores), strict=False):
        mean, low, high = (_outline([by_criterion[c][i] for c in CRITERIA]) for i in range(3))
        if low != high:
            parts.append(f'<path d="{high} {low}" fill="{colour}" fill-opacity=".18" fill-rule="evenodd"/>')
        parts.append(
            f'<path d="{mean}" fill="none" stroke="{colour}" stroke-width="2"><title>{escape(name)}</title></path>'
        )
    height = _SIZE
    if len(scores) > 1:
        for place, (name, colour) in enumerate(zip(scores, _COLOURS * len(scores), strict=False)):
            y = _SIZE + 19 * place + 8
            parts.append(f'<circle cx="14" cy="{y - 4}" r="5" fill="{colour}"/>')
            parts.append(f'<text x="26" y="{y}" font-size="14" fill="currentColor">{escape(_short(name))}</text>')
        height += 19 * len(scores) + 8
    alternative = "; ".join(
        f"{name}: " + ", ".join(f"{c} {v[c][0]:.1f}" for c in CRITERIA) for name, v in scores.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-60 0 {_SIZE + 120} {height}" role="img" '
        f'aria-label="{escape(alternative)}" style="max-width: 30rem; width: 100%">{"".join(parts)}</svg>'
    )


def _point(place: int, grade: float) -> tuple[float, float]:
    angle = 2 * math.pi * place / len(CRITERIA) - math.pi / 2
    reach = _RADIUS * grade / _TOP
    return _SIZE / 2 + reach * math.cos(angle), _SIZE / 2 + reach * math.sin(angle)


def _outline(grades: Sequence[float]) -> str:
    points = (_point(place, min(max(grade, 0), _TOP)) for place, grade in enumerate(grades))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def _ring(grade: int) -> str:
    x, y = _point(0, grade)
    return (
        f'<path d="{_outline([grade] * len(CRITERIA))}" fill="none" stroke="currentColor" stroke-opacity=".2"/>'
        f'<text x="{x + 3:.1f}" y="{y - 2:.1f}" font-size="11" fill="currentColor" fill-opacity=".6">{grade}</text>'
    )


def _short(name: str, most: int = 50) -> str:
    """As much of a name as the legend has room for: names of one sweep differ at their ends."""
    return name if len(name) <= most else "…" + name[1 - most :]
