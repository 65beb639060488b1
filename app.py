"""The Space's entry, and `python app.py`: builds the app and serves it."""

import os
import threading
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import click

from backend.command_line import run
from backend.errors import UserError
from backend.slm.catalog import Models, bundled_models, models_in


# Inside a Space's container the outside comes in by every interface.
HOST = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"  # noqa: S104


def find_models(folder: Path | None) -> Models:
    """The bundled models, or those below a folder. Raises UserError when there is none."""
    found = models_in(folder) if folder else bundled_models()
    if not found:
        raise UserError(f"There is no model folder under {folder or 'models/'}; train one with `make demo`, or name its folder with --models.")
    return Models(found)


@click.command()
@click.option("--host", default=HOST, show_default=True)
@click.option("--port", default=7860, show_default=True)
@click.option("--models", "folder", type=click.Path(path_type=Path), help="a folder of model folders, instead of the bundled ones")
def main(host: str, port: int, folder: Path | None) -> None:
    """Serve the app."""
    models = find_models(folder)
    # Loading the first model takes a second; it is done while the visitor reads the page.
    threading.Thread(target=models.engine, args=(next(iter(models.folders)),), daemon=True).start()
    from spaces.page import build_page
    from spaces.theme import CSS, theme

    page = build_page(models)
    page.queue(default_concurrency_limit=16, max_size=128)
    click.echo(f"TinyStories Regional is at http://{host}:{port}")
    page.launch(server_name=host, server_port=port, theme=theme(), css=CSS, quiet=True, footer_links=["api"], ssr_mode=False)


if __name__ == "__main__":
    run(main)
