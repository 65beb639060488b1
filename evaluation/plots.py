"""The report's plots, each as one SVG text that stands in the page."""

import io
import re
import textwrap
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from evaluation.rubrics import CRITERIA

# Stands for the page's own text colour, which is known to the browser only: light on dark where the reader has it so.
_INK = "#010203"
_INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
# Text stays text: the browser has fonts for every script and joins their letters, which matplotlib does not.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "evaluation", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
_STYLE |= dict.fromkeys(_INKED, _INK) | dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none")


def as_svg(figure: Figure) -> str:
    """A figure as an <svg> element, the same bytes for the same figure."""
    text = io.StringIO()
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue().replace(_INK, "currentColor")
    return svg[svg.index("<svg") :]


def standing_alone(svg: str) -> str:
    """An <svg> element as a file that is shown as a picture, where no page lends its colours: dark on white."""
    declared = svg if "xmlns=" in svg else svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    style = "svg { color: #1c2430; background: #fff; font-family: system-ui, 'Noto Sans', sans-serif }"
    end = declared.index(">") + 1
    return f"{declared[:end]}<style>{style}</style>{declared[end:]}\n"


def means_plot(models: Sequence[dict], criterion: str = "overall") -> str:
    """Means with their intervals, the best on top. `models` are those of one analysed group."""
    ordered = sorted(models, key=lambda model: model["means"][criterion][0])
    with rc_context(_STYLE):
        figure = Figure(figsize=(5, 0.8 + 0.32 * len(ordered)), layout="constrained")
        axes = figure.subplots()
        for place, model in enumerate(ordered):
            mean, low, high = model["means"][criterion]
            axes.plot([low, high], [place, place], color="#4468a8", linewidth=2)
            axes.plot([mean], [place], "o", color="#4468a8")
        axes.set_yticks(range(len(ordered)), [_short(model["model"]) for model in ordered])
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.set_xlabel(f"{criterion} grade, 1–10: mean and 95 % interval")
        return as_svg(figure)


def distributions(by_model: dict[str, dict[str, Sequence[int]]]) -> str:
    """How often each grade was given: a row a model, a column a criterion, all on one scale."""
    shares = {
        model: {name: np.array(counts, float) / max(sum(counts), 1) for name, counts in by_criterion.items()}
        for model, by_criterion in by_model.items()
    }
    highest = max((share.max() for by_criterion in shares.values() for share in by_criterion.values()), default=1.0)
    with rc_context(_STYLE):
        figure = Figure(figsize=(9, 0.7 + 0.75 * len(by_model)), layout="constrained")
        grid = figure.subplots(len(by_model), len(CRITERIA), sharex=True, squeeze=False)
        for row, (model, by_criterion) in zip(grid, shares.items(), strict=True):
            for axes, name in zip(row, CRITERIA, strict=True):
                axes.bar(range(1, 11), by_criterion[name], width=0.85, color="#4468a8")
                axes.set_ylim(0, 1.05 * max(highest, 0.01))
                axes.set_yticks([])
            row[0].set_ylabel(_wrapped(model), rotation=0, ha="right", va="center", fontsize="small")
        for axes, name in zip(grid[0], CRITERIA, strict=True):
            axes.set_title(name, fontsize="small")
        for axes in grid[-1]:
            axes.set_xticks([1, 5, 10])
        return as_svg(figure)


def heat_map(models: Sequence[dict], criterion: str = "overall") -> str | None:
    """Means by hidden size and layers, as in the paper's tables, over all models of a size; None unless two tell theirs."""
    known = [model for model in models if model["configuration"]]
    if len(known) < 2:
        return None
    hidden = sorted({model["configuration"]["hidden"] for model in known})
    layers = sorted({model["configuration"]["layers"] for model in known})
    sums, counts = np.zeros((2, len(hidden), len(layers)))
    for model in known:
        place = hidden.index(model["configuration"]["hidden"]), layers.index(model["configuration"]["layers"])
        sums[place] += model["means"][criterion][0]
        counts[place] += 1
    with np.errstate(invalid="ignore"):
        table = sums / np.where(counts > 0, counts, np.nan)
    with rc_context(_STYLE):
        figure = Figure(figsize=(1.6 + 0.9 * len(layers), 1.2 + 0.5 * len(hidden)), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(table, cmap="viridis", aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            if not np.isnan(value):
                dark = value < np.nanmean(table)
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black")
        axes.set_xticks(range(len(layers)), layers)
        axes.set_yticks(range(len(hidden)), hidden)
        axes.set_xlabel("layers")
        axes.set_ylabel("hidden size")
        figure.colorbar(image, label=f"{criterion} grade, 1–10")
        return as_svg(figure)


def _short(name: str, most: int = 40) -> str:
    # A dollar sign would start mathematics in matplotlib.
    name = name.replace("$", r"\$")
    return name if len(name) <= most else "…" + name[1 - most :]


def _wrapped(name: str, most: int = 24) -> str:
    """A name in lines of so many letters: names of one sweep differ at their ends, which must be seen."""
    lines = [""]
    for piece in re.split(r"(?<=[_ /-])", _short(name, 72)):
        if lines[-1] and len(lines[-1]) + len(piece) > most:
            lines.append("")
        lines[-1] += piece
    return "\n".join(part.strip() for line in lines for part in textwrap.wrap(line, most))
