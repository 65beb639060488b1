"""The app's entry: `python app.py`, and the Space's."""

import os
import threading
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
@click.option("--port", default=7860, show_default=True, envvar="GRADIO_SERVER_PORT", type=click.IntRange(1, 65535))
@click.option(
    "--models", "folders", multiple=True, type=click.Path(path_type=Path),
    help="a model folder, or a folder of them, shown before the bundled ones; may be given again",
)  # fmt: skip
def main(host: str, port: int, folders: tuple[Path, ...]) -> None:
    """Open the app in which small models finish stories."""
    from backend.slm.catalog import bundled_models, models_in
    from backend.slm.shelf import Models
    from spaces.choice import models_for
    from spaces.page import DEFAULT_LANGUAGE, build_page
    from spaces.theme import HEAD, css, theme

    found = []
    for folder in folders:
        inside = models_in(folder)
        if not inside:
            raise UserError(f"{folder} holds no model folder (one with config.json); export a model there first.")
        found += inside
    found += bundled_models()
    models = Models(found)
    if not found:
        click.echo("There is no model under models/ yet: the page opens, and tells only with models of the Hub.")
    page = build_page(models)
    # Every story joins the engine's batch at once; Gradio's own queue keeps none of them waiting.
    page.queue(default_concurrency_limit=None, max_size=1000, api_open=True)
    _, address, _ = page.launch(
        server_name=host, server_port=port, theme=theme(), css=css(), head=HEAD, prevent_thread_lock=True, quiet=True,
        footer_links=[], show_error=True, ssr_mode=False,
    )  # fmt: skip
    click.echo(f"The app is at {address or f'http://{host}:{port}'} (Ctrl-C ends it).")
    default = models_for(models, DEFAULT_LANGUAGE)
    if default:
        threading.Thread(target=_warm, args=(models, default[0]), daemon=True).start()
    try:
        page.block_thread()
    finally:
        models.close()


def _warm(models, name: str) -> None:
    """Load the model that most visitors meet first, so that the first story need not wait for it."""
    with models.lend(name):
        pass


if __name__ == "__main__":
    run(main)
