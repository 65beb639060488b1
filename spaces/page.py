"""The frame: masthead, page language, tabs."""

from pathlib import Path

import gradio as gr

from backend.languages import language_names, load_language
from backend.slm.shelf import Models
from spaces import complete
from spaces.api import add_complete
from spaces.labels import all_labels, labels
from spaces.visits import Visits

DEFAULT_LANGUAGE = "hindi"
_KITE = (Path(__file__).parent / "kite.svg").read_text("utf-8")


def build_page(models: Models) -> gr.Blocks:
    """The whole app as Blocks, over the given models."""
    visits = Visits()
    words = labels("english")
    default = DEFAULT_LANGUAGE if DEFAULT_LANGUAGE in language_names() else language_names()[0]
    with gr.Blocks(title=words["title"], analytics_enabled=False) as page:
        page_language = gr.State("english")
        with gr.Row(elem_id="top"):
            masthead = gr.HTML(_masthead(words), elem_id="masthead")
            switch = gr.Dropdown(
                [(load_language(name).native_name, name) for name in language_names() if name in all_labels()],
                value="english", show_label=False, container=False, scale=0, min_width=130, elem_id="page-language",
                filterable=False,
            )  # fmt: skip
        with gr.Tabs(), gr.Tab(words["tab_complete"]) as tab_complete:
            named = complete.build(models, visits, page_language, default)
        named["tab_complete"] = tab_complete
        add_complete(models)

        def on_page_language(language):
            words = labels(language)
            return language, _masthead(words), *[_relabel(key, part, words) for key, part in named.items()]

        switch.change(on_page_language, switch, [page_language, masthead, *named.values()], **complete.PRIVATE)

        def leave(request: gr.Request):
            visits.stop(request.session_hash)

        page.unload(leave)
    return page


def _masthead(words: dict[str, str]) -> str:
    return f'<div class="masthead">{_KITE}<div><h1>{words["title"]}</h1><p>{words["tagline"]}</p></div></div>'


def _relabel(key: str, part, words: dict[str, str]) -> dict:
    if isinstance(part, gr.HTML):
        return gr.update(value=f'<p class="note">{words[key]}</p>')
    if isinstance(part, gr.Button):
        return gr.update(value=words[key])
    update = {"label": words[key]}
    if f"{key}_info" in words:
        update["info"] = words[f"{key}_info"]
    if key == "opening":
        update["placeholder"] = words["placeholder"]
    return gr.update(**update)
