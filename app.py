"""The app's entry: `python app.py`, and the Space's."""

import os
from pathlib import Path

# Before gradio is imported: it tells nobody that it runs, and asks nobody for a newer version.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import click

from backend.command_line import run
from backend.errors import UserError


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, envvar="GRADIO_SERVER_NAME", help="0.0.0.0 lets other machines in"
)
@click.option("--port", default=7860, show_default=True, envvar="GRADIO_SERVER_PORT", type=click.IntRange(0, 65535))
@click.option(
    "--models", "folders", multiple=True, type=click.Path(path_type=Path),
    help="a model folder, or a folder of them, offered beside the bundled ones; may be given again",
)  # fmt: skip
@click.option("--bundled/--no-bundled", default=True, help="whether the models under models/ are offered")
def main(host: str, port: int, folders: tuple[Path, ...], bundled: bool) -> None:
    """Open the app in which small models finish stories."""
    from backend.slm.catalog import bundled_models, models_in
    from backend.slm.shelf import Models
    from spaces.server import serve

    found = []
    for folder in folders:
        inside = models_in(folder)
        if not inside:
            raise UserError(f"{folder} holds no model folder (one with config.json); export a model there first.")
        found += inside
    if bundled:
        found += [model for model in bundled_models() if model.name not in {other.name for other in found}]
    if not found:
        click.echo("There is no model under models/ yet: the page opens, but tells stories only with models of the Hub.")
    serve(Models(found), host, port, lambda address: click.echo(f"The app is at {address} (Ctrl-C ends it)."))


if __name__ == "__main__":
    run(main)
