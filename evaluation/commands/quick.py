"""`python -m evaluation quick`: the quick check over files of completions."""

import json
from pathlib import Path

import click

from backend.files import writing
from evaluation.completions import read_all
from evaluation.quick_check import CHECKS, LABEL
from evaluation.quick_table import as_text, check_all
from evaluation.unknown_words import corpus_texts, unknown_shares
from evaluation.whole_stories import read_whole_stories


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--corpus",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSONL of the training stories: tells the share of words that never occur in it",
)
@click.option("--column", default="story", show_default=True, help="the corpus's text column")
@click.option("--language", help="for files that do not say it")
@click.option("--whole-stories", metavar="WORDS", type=click.IntRange(min=1), help="FILES hold whole stories: the first sentences of each, of eight or more words, are its opening, the next so many words the completion")
@click.option("--reference", help="a model folder or Hub id: tells the stories' bits per byte under it")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="a JSON file for the table and every story's row")
def quick(
    files: tuple[Path, ...],
    corpus: Path | None,
    column: str,
    language: str | None,
    whole_stories: int | None,
    reference: str | None,
    out: Path | None,
) -> None:
    """Check completions offline. A heuristic on form, not a judge of meaning."""
    completions = read_whole_stories(files, whole_stories, language) if whole_stories else read_all(files, language)
    extras = {}
    if corpus:
        extras["unknown_words"] = unknown_shares(completions, corpus_texts(corpus, column))
    if reference:
        from evaluation.perplexity import bits_per_byte

        texts, openings = [item.completion for item in completions], [item.opening for item in completions]
        extras["bits_per_byte"] = bits_per_byte(reference, texts, openings)
    table, rows = check_all(completions, extras)
    click.echo(LABEL)
    click.echo(as_text(table))
    if out:
        with writing(out) as file:
            found = {"label": LABEL, "checks": CHECKS, "table": table, "rows": rows}
            json.dump(found, file, ensure_ascii=False, indent=1)
