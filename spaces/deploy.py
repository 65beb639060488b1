"""`python -m spaces.deploy ORG/NAME`: the app as a Space on the Hub, made or brought up to date."""

import shutil
import tempfile
from pathlib import Path

import click

from backend.command_line import run
from backend.hub import upload_folder

_ROOT = Path(__file__).resolve().parents[1]
_FOLDERS = ("backend", "datagen", "evaluation", "languages", "models", "spaces")


def write_space(folder: Path) -> None:
    """Lay out what the Space needs: the app, its packages without torch, a C compiler, and the card, each at the root."""
    for name in _FOLDERS:
        shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy2(_ROOT / "app.py", folder)
    for name in ("README.md", "requirements.txt", "packages.txt"):
        shutil.move(folder / "spaces" / name, folder / name)


@click.command()
@click.argument("repo")
@click.option("--public", is_flag=True, help="when it is made; else it is private")
def deploy(repo: str, public: bool) -> None:
    """Send the app to the Space REPO; run it again after a cut or a change. Needs HF_TOKEN."""
    with tempfile.TemporaryDirectory() as folder:
        write_space(Path(folder))
        click.echo(upload_folder(folder, repo, "space", private=not public, message="Update the app", replace="*"))


if __name__ == "__main__":
    run(deploy)
