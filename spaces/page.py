"""The frame: masthead, page language, tabs."""

import json
from pathlib import Path

import gradio as gr

from backend.languages import language_names, load_language
from backend.slm.shelf import Models
from spaces import compare, complete, judge, prompts, tokens
from spaces.api import add_endpoints
from spaces.choice import first_language, languages_written
from spaces.desk import PRIVATE, Desk
from spaces.labels import all_labels, labels
from spaces.quota import Quota
from spaces.visits import Visits

# Every tab in the order shown: a module with `LABEL`, the key of its name, and `build(desk)`.
TABS = (complete, compare, tokens, prompts, judge)
# Stories are read out by a screen reader once they are told: while they grow they are marked as busy.
_READ_OUT = """() => document.querySelectorAll('#story, #compare-stories, #vote-said, #tokens')
  .forEach(part => part.setAttribute('aria-live', 'polite'))"""
_KITE = (Path(__file__).parent / "kite.svg").read_text("utf-8")


def build_page(models: Models, quota: Quota) -> gr.Blocks:
    """The whole app as Blocks, over the given models."""
    with gr.Blocks(title=labels("english")["title"], analytics_enabled=False) as page:
        desk = Desk(models, Visits(), quota, first_language(models), languages_written(models), gr.State("english"))
        with gr.Row(elem_id="top"):
            masthead = gr.HTML(_masthead(desk.words), elem_id="masthead")
            switch = gr.Dropdown(
                [(load_language(name).native_name, name) for name in language_names() if name in all_labels()],
                value="english", label=desk.words["board_language"], show_label=False, container=False, scale=0, min_width=130, elem_id="page-language",
                filterable=False,
            )  # fmt: skip
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as desk.tabs:
            for tab in TABS:
                with desk.label(tab.LABEL, gr.Tab(desk.words[tab.LABEL], id=tab.LABEL)):
                    tab.build(desk)
        add_endpoints(models, quota)
        _switch_language(desk, switch, masthead)

        _greet(desk, page, switch)

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
    codes = json.dumps({name: load_language(name).code for name in all_labels()})
    switch.change(None, switch, None, js=f"(name) => {{ document.documentElement.lang = {codes}[name]; }}", **PRIVATE)


def _greet(desk: Desk, page: gr.Blocks, switch: gr.Dropdown) -> None:
    """Begin in the first language that the browser asks for and the page has, its stories too where a model writes them."""

    def greeting(request: gr.Request) -> list:
        name = asked_language(request.headers.get("accept-language") or "")
        if name == "english":
            return [gr.skip()] * (1 + len(desk.story_languages))
        spoken = name if name in desk.written and name != desk.default_language else gr.skip()
        return [name, *[spoken] * len(desk.story_languages)]

    page.load(greeting, None, [switch, *desk.story_languages], **PRIVATE)
    page.load(None, None, None, js=_READ_OUT, **PRIVATE)


def asked_language(header: str) -> str:
    """The page language that an Accept-Language header names first; English where it names none that the page has."""
    names = {load_language(name).code: name for name in all_labels()}
    codes = (part.split(";")[0].split("-")[0].strip().lower() for part in header.split(","))
    return next((names[code] for code in codes if code in names), "english")


def _masthead(words: dict) -> str:
    return f'<div class="masthead">{_KITE}<div><h1>{words["title"]}</h1><p>{words["tagline"]}</p></div></div>'
