"""`python -m evaluation examples`: the same openings over all models, on one page to read."""

from pathlib import Path

import click

from backend.errors import UserError
from backend.files import writing
from evaluation.completions import read_all
from evaluation.examples import as_markdown, side_by_side
from evaluation.page import render


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--count", default=10, show_default=True, type=click.IntRange(min=1), help="openings a language")
@click.option("--language", help="for files that do not say it")
@click.option("--title", default="Inference examples", show_default=True)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="an .html or .md file")
def examples(files: tuple[Path, ...], count: int, language: str | None, title: str, out: Path) -> None:
    """Put stories of two or more models side by side, as they came."""
    if out.suffix not in (".html", ".md"):
        raise UserError(f"--out {out} is neither an .html nor an .md file; give it one of these endings.")
    found = side_by_side(read_all(files, language), count)
    if not found:
        raise UserError("No opening has stories by all models of its language; complete the same openings with each.")
    with writing(out) as file:
        if out.suffix == ".md":
            file.write(as_markdown(found, title))
        else:
            file.write(render("examples.html.j2", {"title": title, "languages": found}))
    click.echo(f"{sum(map(len, found.values()))} openings, written to {out}.")
