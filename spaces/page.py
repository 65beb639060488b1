"""The frame: masthead, page language, tabs."""

from pathlib import Path

import gradio as gr

from backend.languages import language_names, load_language
from backend.slm.shelf import Models
from spaces import compare, complete, judge, prompts, tokens
from spaces.api import add_complete
from spaces.choice import first_language, languages_written
from spaces.desk import PRIVATE, Desk
from spaces.labels import all_labels, labels
from spaces.quota import Quota
from spaces.visits import Visits

# Every tab in the order shown: a module with `LABEL`, the key of its name, and `build(desk)`.
TABS = (complete, compare, tokens, prompts, judge)
_KITE = (Path(__file__).parent / "kite.svg").read_text("utf-8")


def build_page(models: Models, quota: Quota) -> gr.Blocks:
    """The whole app as Blocks, over the given models."""
    with gr.Blocks(title=labels("english")["title"], analytics_enabled=False) as page:
        desk = Desk(models, Visits(), quota, first_language(models), languages_written(models), gr.State("english"))
        with gr.Row(elem_id="top"):
            masthead = gr.HTML(_masthead(desk.words), elem_id="masthead")
            switch = gr.Dropdown(
                [(load_language(name).native_name, name) for name in language_names() if name in all_labels()],
                value="english", show_label=False, container=False, scale=0, min_width=130, elem_id="page-language",
                filterable=False,
            )  # fmt: skip
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as desk.tabs:
            for tab in TABS:
                with desk.label(tab.LABEL, gr.Tab(desk.words[tab.LABEL], id=tab.LABEL)):
                    tab.build(desk)
        add_complete(models, quota)
        _switch_language(desk, switch, masthead)

        page.load(_greeting, None, switch, **PRIVATE)

        def leave(request: gr.Request) -> None:
            desk.visits.stop(request.session_hash)

        page.unload(leave)
    return page


def _switch_language(desk: Desk, switch: gr.Dropdown, masthead: gr.HTML) -> None:
    parts = [part for _, part in desk.labelled]
    hints = [part for part in parts if isinstance(part, gr.HTML)]

    def on_switch(language: str, *values: str) -> list:
        shown = dict(zip(hints, values, strict=True))
        return [language, _masthead(labels(language)), *desk.relabel(language, shown)]

    switch.change(on_switch, [switch, *hints], [desk.page_language, masthead, *parts], **PRIVATE)


def _greeting(request: gr.Request) -> str | dict:
    """The page language that the browser asks for first, where the page has it."""
    code = (request.headers.get("accept-language") or "").split(",")[0].split("-")[0].strip().lower()
    names = {load_language(name).code: name for name in all_labels()}
    return names[code] if names.get(code, "english") != "english" else gr.skip()


def _masthead(words: dict) -> str:
    return f'<div class="masthead">{_KITE}<div><h1>{words["title"]}</h1><p>{words["tagline"]}</p></div></div>'
