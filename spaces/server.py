"""The web server: the page at /, and beside it what programs ask for."""

import importlib.util
import math
import os
import socket
import threading
from collections.abc import Callable
from types import SimpleNamespace

import gradio as gr
import uvicorn
from fastapi import FastAPI

from backend.errors import UserError
from backend.slm.shelf import Models
from spaces.choice import first_language, models_for
from spaces.completions_api import completions_router
from spaces.page import build_page
from spaces.quota import Quota
from spaces.theme import HEAD, css, theme

_EVENTS_AT_ONCE = 600  # visitors' events under way, stories that wait for a slot among them
# What a tab has set is kept for so many, the last that were opened; of 10,000 unless Gradio is told otherwise.
_TABS_KEPT = 600


def serve(models: Models, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until interrupted; `started` gets the address. Port 0 takes a free one.

    Raises UserError when the port is taken or the host is none of this machine's.
    """
    listener = _listen(host, port)
    server = uvicorn.Server(
        uvicorn.Config(build_app(models), log_level="warning", timeout_graceful_shutdown=2, ws="none", proxy_headers=True)
    )
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 (told, not bound)
    started(f"http://{name}:{listener.getsockname()[1]}")
    threading.Thread(target=_warm, args=(models,), daemon=True).start()
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
        models.close()


def build_app(models: Models) -> FastAPI:
    """The page and the interfaces for programs as one ASGI app. Raises UserError when MCP is asked for and not here."""
    _check_mcp()
    quota = Quota()
    page = build_page(models, quota)
    # Every story joins the engine's batch at once; Gradio's own queue keeps none of them waiting.
    page.queue(default_concurrency_limit=None, max_size=1000)
    page.state_session_capacity = _TABS_KEPT
    queue = page._queue
    queue.max_thread_count = _EVENTS_AT_ONCE
    # Gradio looks for events a thousand times a second, which takes a twentieth of a core from an app that idles.
    queue.sleep_when_free, queue.progress_update_sleep_when_free = 0.02, 1.0
    # It also makes a table of the last 10,000 events after each of them, for a dashboard that is not offered here.
    queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, math.inf
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(completions_router(models, quota))
    app = gr.mount_gradio_app(
        app, page, path="/", theme=theme(), css=css(), head=HEAD, footer_links=[], show_error=True, ssr_mode=False,
        max_file_size="32mb", enable_monitoring=False,
    )
    # For each tab it describes every part of the page anew, a third of a megabyte, for links to a page as it stands, which
    # are not offered here. It needs only the parts themselves; what a tab changes it describes when that changes.
    page.state_holder.blocks = SimpleNamespace(default_config=page.default_config, blocks=())
    return app


def _check_mcp() -> None:
    """Gradio offers the endpoints as MCP tools when GRADIO_MCP_SERVER says so. Raises UserError when it cannot."""
    if os.environ.get("GRADIO_MCP_SERVER", "").lower() == "true" and importlib.util.find_spec("mcp") is None:
        raise UserError("GRADIO_MCP_SERVER asks for MCP, whose package is not here; install it with: pip install 'gradio[mcp]'.")


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UserError(f"{host}:{port} cannot be had ({error.strerror}); choose another --port or --host.") from None
    listener.listen(256)
    return listener


def _warm(models: Models) -> None:
    """Load the model that most visitors meet first, so that the first story need not wait for it."""
    for name in models_for(models, first_language(models))[:1]:
        try:
            with models.lend(name):
                pass
        except UserError:
            pass  # the visitor who asks for it is told
