"""Measures of tokenizers as one table and one plot, beside what the paper reports."""

from pathlib import Path

from backend.files import writing
from evaluation.tokenizer_measures import TokenizerMeasures

# What the paper reports for (language, tokenizer): MorphScore and Rényi entropy at alpha 2.5. arXiv 2504.07989.
PAPER = {
    ("hindi", "Sarvam"): (0.7276, 6.2852),
    ("hindi", "SUTRA"): (0.7268, 7.1530),
    ("bangla", "Sarvam"): (0.3194, 6.3579),
    ("bangla", "SUTRA"): (0.3002, 7.4135),
    ("marathi", "Sarvam"): (0.6620, 6.5449),
    ("marathi", "SUTRA"): (0.6671, 7.7620),
}
SHOWN = {
    "vocab_size": "vocabulary",
    "fertility": "tokens a word",
    "characters_per_token": "characters a token",
    "continued_words": "words cut",
    "renyi_entropy": "Rényi entropy",
    "renyi_efficiency": "efficiency",
    "morph_score": "MorphScore",
    "trained_bits_per_byte": "bits a byte",
    "round_trip": "round trip",
    "megabytes_per_second": "MB/s",
}


def as_markdown(rows: list[TokenizerMeasures]) -> str:
    """The measures as a Markdown table, with the paper's values below each language."""
    lines = ["| language | tokenizer | " + " | ".join(SHOWN.values()) + " |", "| --- " * (len(SHOWN) + 2) + "|"]
    for language in dict.fromkeys(row.language for row in rows):
        for row in rows:
            if row.language == language:
                cells = [_cell(getattr(row, key)) for key in SHOWN]
                if row.trained_spread is not None:
                    cells[list(SHOWN).index("trained_bits_per_byte")] += f" ± {row.trained_spread:.3f}"
                lines.append(f"| {language} | {row.tokenizer} | {' | '.join(cells)} |")
        for (of, name), (score, entropy) in PAPER.items():
            if of == language:
                known = {"morph_score": score, "renyi_entropy": entropy}
                lines.append(
                    f"| {language} | {name}, in the paper | "
                    + " | ".join(_cell(known.get(key)) for key in SHOWN)
                    + " |"
                )
    return "\n".join(lines)


def plot(rows: list[TokenizerMeasures], path: Path) -> None:
    """Measures by tokenizer as points, one colour a language, as SVG; bits a byte with their spread over seeds."""
    from matplotlib.figure import Figure

    measures = {key: SHOWN[key] for key in ("fertility", "renyi_efficiency", "morph_score", "trained_bits_per_byte")}
    measures = {key: title for key, title in measures.items() if any(getattr(row, key) is not None for row in rows)}
    names, languages = (list(dict.fromkeys(getattr(row, key) for row in rows)) for key in ("tokenizer", "language"))
    figure = Figure(figsize=(11, 1.5 + 0.35 * len(names)), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(1, len(measures), sharey=True, squeeze=False)[0], measures.items(), strict=True):
        for place, language in enumerate(languages):
            shift = 0.5 * ((place + 0.5) / len(languages) - 0.5)
            found = [row for row in rows if row.language == language and getattr(row, key) is not None]
            spread = [row.trained_spread or 0.0 for row in found] if key == "trained_bits_per_byte" else None
            heights = [names.index(row.tokenizer) + shift for row in found]
            axes.errorbar([getattr(row, key) for row in found], heights, xerr=spread, fmt="o", capsize=3, label=language)
        axes.set_title(title)
        axes.grid(axis="y", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    first = figure.axes[0]
    first.set_yticks(range(len(names)), [_short(name) for name in names])
    first.set_ylim(len(names) - 0.5, -0.5)
    if len(languages) > 1:
        figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(languages))
    with writing(path, "wb") as file:
        figure.savefig(file, format="svg")


def _short(name: str, most: int = 36) -> str:
    """A name's end, which tells one path from another; a dollar sign would start mathematics in matplotlib."""
    name = name.removesuffix("/tokenizer.json").replace("$", r"\$")
    return name if len(name) <= most else "…" + name[1 - most :]


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
