"""The frame: masthead, page language, tabs."""

import gradio as gr

from backend.languages import language_names, load_language
from backend.slm.catalog import Models
from spaces import complete
from spaces.labels import all_labels, labels
from spaces.visits import Visits


def _masthead(words: dict[str, str]) -> str:
    return f"<h1>{words['title']}</h1><p>{words['tagline']}</p>"


def build_page(models: Models) -> gr.Blocks:
    """The whole app as Blocks, over the given models."""
    visits = Visits()
    words = labels("english")
    with gr.Blocks(title=words["title"], analytics_enabled=False) as page:
        page_language = gr.State("english")
        with gr.Row(equal_height=True):
            masthead = gr.HTML(_masthead(words), elem_id="masthead")
            switch = gr.Dropdown(
                [(load_language(name).native_name, name) for name in language_names() if name in all_labels()],
                value="english", show_label=False, container=False, scale=0, min_width=130, elem_id="page-language",
            )  # fmt: skip
        with gr.Tabs():
            with gr.Tab(words["tab_complete"]) as tab_complete:
                named = complete.build(models, visits, page_language)
        named["tab_complete"] = tab_complete

        def on_page_language(language):
            words = labels(language)
            return language, _masthead(words), *[_relabel(key, part, words) for key, part in named.items()]

        switch.change(
            on_page_language, switch, [page_language, masthead, *named.values()], api_visibility="private", show_progress="hidden"
        )

        def leave(request: gr.Request):
            visits.stop(request.session_hash)

        page.unload(leave)
    return page


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
