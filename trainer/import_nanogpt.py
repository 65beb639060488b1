"""A checkpoint of nanoGPT, or of the paper's scripts, to a stock GPT-2 folder: `python trainer/import_nanogpt.py FILE.pt ...`."""

import sys
from pathlib import Path

if not __package__:  # run as a script: imports begin at the root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click

from backend.command_line import run
from backend.errors import UserError
from backend.slm.nanogpt import convert


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--tokenizer", required=True, help="that it was trained with: folder, Hub id, or tiktoken:gpt2")
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--heads", type=click.IntRange(min=1), help="of attention, when neither the file nor its name tells")
def main(checkpoint: Path, tokenizer: str, out: Path, heads: int | None) -> None:
    """Convert a .pt checkpoint of nanoGPT to a model folder that transformers loads."""
    if out.exists() and not (out / "config.json").exists():
        raise UserError(f"{out} exists and is no model folder; choose another --out, nothing was written.")
    click.echo(f"{convert(checkpoint, tokenizer, out, heads)} is a model folder of transformers.")


if __name__ == "__main__":
    run(main)
