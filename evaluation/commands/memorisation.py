"""`python -m evaluation memorisation`: what completions owe word for word to the training stories."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from backend.files import writing
from evaluation.completions import read_all
from evaluation.memorisation import check, summary, with_bert_scores
from evaluation.quick_table import as_text
from evaluation.word_index import index_of


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--corpus",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="the training stories: JSONL, Parquet, or a folder of them",
)
@click.option("--column", default="story", show_default=True)
@click.option(
    "--index",
    "folder",
    type=click.Path(path_type=Path),
    help="where the corpus's index is kept  [default: beside the corpus]",
)
@click.option("--bert", metavar="MODEL", help="also BERTScore under a Hub id or folder; needs bert-score")
@click.option("--language", help="for files that do not say it")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="a JSON file for the table and every completion's row")
def memorisation(
    files: tuple[Path, ...],
    corpus: Path,
    column: str,
    folder: Path | None,
    bert: str | None,
    language: str | None,
    out: Path | None,
) -> None:
    """Longest shared span and nearest training story of every completion. The index is built once for a corpus as it stands."""
    completions = read_all(files, language)
    folder = folder or corpus.with_name(corpus.name + ".index")
    index = index_of(corpus, folder, column)
    rows = check(completions, index)
    if bert:
        rows = with_bert_scores(rows, completions, bert)
    table = summary(rows)
    click.echo(as_text(table))
    longest = max(rows, key=lambda row: row.longest_span)
    shown = " ".join(longest.span.split()[:40])
    click.echo(
        f"Longest span, {longest.longest_span} words ({longest.model}): {shown}{' …' if longest.longest_span > 40 else ''}"
    )
    if out:
        with writing(out) as file:
            rows_as_json = [asdict(row) for row in rows]
            json.dump(
                {"corpus": str(corpus), "stories": len(index), "table": table, "rows": rows_as_json},
                file,
                ensure_ascii=False,
                indent=1,
            )
