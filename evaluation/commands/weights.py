"""`python -m evaluation weights`: alpha of models' weight matrices, by layer."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from backend.files import writing
from backend.slm.catalog import resolve
from evaluation.weights import as_markdown, layer_alphas, plot


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="folder for weights.json, .md and .svg")
def weights(models: tuple[str, ...], out: Path | None) -> None:
    """Heavy tails of the weights' spectra: MODELS are bundled names, folders or Hub ids. Needs weightwatcher."""
    layers = []
    for model in models:
        folder = resolve(model)
        layers += layer_alphas(folder.path, folder.name)
    click.echo(as_markdown(layers))
    if out:
        with writing(out / "weights.json") as file:
            json.dump([asdict(layer) for layer in layers], file, ensure_ascii=False, indent=1)
        with writing(out / "weights.md") as file:
            file.write(as_markdown(layers) + "\n")
        plot(layers, out / "weights.svg")
