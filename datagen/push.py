"""`python -m datagen push`: an exported dataset to the Hub."""

from pathlib import Path

import click

from backend.errors import UserError
from backend.hub import upload_folder


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--repo", required=True, help="ORG/NAME; made when missing")
@click.option("--public", is_flag=True, help="when it is made; else it is private")
def push(folder: Path, repo: str, public: bool) -> None:
    """Send an exported dataset to the Hub; run it again to go on after a cut. Needs HF_TOKEN."""
    if not (folder / "dataset.json").exists():
        raise UserError(f"{folder} is no export; `python -m datagen export JOURNAL --out {folder}` makes one.")
    click.echo(upload_folder(folder, repo, "dataset", private=not public, replace="data/*"))
