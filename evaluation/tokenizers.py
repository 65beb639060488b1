"""`python -m evaluation tokenizers`: any tokenizers on any stories, one table and one plot."""

import json
from pathlib import Path

import click
from tokenizers import Tokenizer
from tqdm import tqdm

from backend.errors import UserError
from backend.files import writing
from backend.tokenizer import load_tokenizer, train_tokenizer
from evaluation.completions import read_rows
from evaluation.text import as_language
from evaluation.tokenizer_measures import TokenizerMeasures, measure_tokenizer

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
    "round_trip": "round trip",
    "megabytes_per_second": "MB/s",
}


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    metavar="LANGUAGE=FILE",
    help="stories to measure on; may be given several times",
)
@click.option("--column", default="story", show_default=True)
@click.option(
    "--train",
    "sizes",
    multiple=True,
    type=click.IntRange(min=300),
    help="also train this project's BPE with this vocabulary, on half of the stories, and measure on the other half",
)
@click.option(
    "--morphology",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of LANGUAGE.csv with full_word, pt1, rest",
)
@click.option("--out", type=click.Path(path_type=Path), help="folder for tokenizers.json, .md and .svg")
def tokenizers(
    names: tuple[str, ...],
    datasets: tuple[str, ...],
    column: str,
    sizes: tuple[int, ...],
    morphology: Path | None,
    out: Path | None,
) -> None:
    """Compare tokenizers: NAME is a folder, a Hub id, or tiktoken:gpt2."""
    if not names and not sizes:
        raise UserError("Name at least one tokenizer (a folder, a Hub id or tiktoken:gpt2), or give --train SIZE.")
    rows = []
    loaded = {name: load_any(name) for name in names}
    for text in datasets:
        language, _, path = text.partition("=")
        if not path:
            raise UserError(f"'{text}' is not a dataset; give LANGUAGE=FILE, such as hindi=stories.jsonl.")
        language = as_language(language).name
        stories = [str(row.get(column) or "") for row in read_rows(Path(path))]
        held_out = stories[1::2] if sizes and len(stories) > 1 else stories
        trained = {f"own BPE {size}": train_tokenizer(stories[::2], size).backend for size in sizes}
        table = morphology / f"{language}.csv" if morphology and (morphology / f"{language}.csv").exists() else None
        for name, tokenizer in tqdm({**loaded, **trained}.items(), desc=language, unit=" tokenizers"):
            rows.append(measure_tokenizer(tokenizer, name, held_out, language, table))
    click.echo(as_markdown(rows))
    if out:
        with writing(out / "tokenizers.json") as file:
            json.dump([row.as_dict() for row in rows], file, ensure_ascii=False, indent=1)
        with writing(out / "tokenizers.md") as file:
            file.write(as_markdown(rows) + "\n")
        plot(rows, out / "tokenizers.svg")


def load_any(name: str) -> Tokenizer:
    """A tokenizer for measuring, which, unlike one for training, may lack bos and eos."""
    path = Path(name)
    path = path / "tokenizer.json" if path.is_dir() else path
    if path.is_file() and path.suffix == ".json":
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for a bad file
            raise UserError(f"{path} is no tokenizer.json that the tokenizers library reads ({error}).") from None
    return load_tokenizer(name).backend


def as_markdown(rows: list[TokenizerMeasures]) -> str:
    """The measures as a Markdown table, with the paper's values below each language."""
    lines = ["| language | tokenizer | " + " | ".join(SHOWN.values()) + " |", "| --- " * (len(SHOWN) + 2) + "|"]
    for language in dict.fromkeys(row.language for row in rows):
        for row in rows:
            if row.language == language:
                lines.append(
                    f"| {language} | {row.tokenizer} | " + " | ".join(_cell(getattr(row, key)) for key in SHOWN) + " |"
                )
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
    """Tokens a word and MorphScore by tokenizer, one colour a language, as SVG."""
    from matplotlib.figure import Figure

    measures = [("fertility", "tokens a word"), ("renyi_efficiency", "Rényi efficiency"), ("morph_score", "MorphScore")]
    names, languages = (list(dict.fromkeys(getattr(row, key) for row in rows)) for key in ("tokenizer", "language"))
    figure = Figure(figsize=(11, 1.2 + 0.35 * len(names)), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(1, len(measures), sharey=True), measures, strict=True):
        for shift, language in enumerate(languages):
            found = [(names.index(row.tokenizer), getattr(row, key)) for row in rows if row.language == language]
            found = [(place + 0.8 * shift / len(languages), value) for place, value in found if value is not None]
            axes.barh(
                [place for place, _ in found], [value for _, value in found], 0.8 / len(languages), label=language
            )
        axes.set_title(title)
    figure.axes[0].set_yticks(range(len(names)), [Path(name).name or name for name in names])
    figure.axes[-1].legend(fontsize="small")
    with writing(path, "wb") as file:
        figure.savefig(file, format="svg")


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
