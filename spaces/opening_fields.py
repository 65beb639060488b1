"""Language, opening and example openings, which several tabs ask for in the same way."""

import html
import random

import gradio as gr

from backend.languages import load_language
from spaces.desk import PRIVATE, Desk

EXAMPLES = 5


def language_field(desk: Desk, prefix: str = "", every: bool = False) -> gr.Radio:
    """The choice of the story's language: of those that a model here writes, or of `every` one."""
    radio = gr.Radio(
        desk.languages(every), value=desk.default_language, label=desk.words["story_language"],
        elem_id=f"{prefix}language", elem_classes="languages", scale=3,
    )  # fmt: skip
    if not every:
        desk.story_languages.append(radio)
    return desk.label("story_language", radio)


def opening_fields(desk: Desk, language: gr.Radio, prefix: str = "") -> gr.Textbox:
    """The opening and a few examples that follow the language."""
    words = desk.words
    text = gr.Textbox(
        label=words["opening"], placeholder=words["opening_placeholder"], lines=3, max_lines=8, autofocus=not prefix,
        elem_id=f"{prefix}opening", elem_classes="opening-field",
    )  # fmt: skip
    examples = gr.Dataset(
        components=[gr.HTML(visible=False)],  # of a Textbox Gradio shows sixty code units, cut within letters
        samples=_examples(desk.default_language), label=words["examples"], type="index",
        elem_classes="examples", elem_id=f"{prefix}examples",
    )  # fmt: skip
    examples.click(lambda index, name: load_language(name).openings()[index], [examples, language], text, **PRIVATE)
    language.change(lambda name: gr.Dataset(samples=_examples(name)), language, examples, **PRIVATE)
    desk.label("opening", text)
    desk.label("examples", examples)
    return text


def shown_language(desk: Desk, spoken: str, chosen: str) -> dict:
    """The update of the choice when an opening is in another language than the chosen one."""
    return gr.update(value=spoken) if spoken != chosen and spoken in desk.written else gr.skip()


def any_opening(language: str) -> str:
    """One of the language's openings."""
    return random.choice(load_language(language).openings())


def _examples(name: str) -> list[list[str]]:
    language = load_language(name)
    return [[f'<span lang="{language.code}">{html.escape(opening)}</span>'] for opening in language.openings()[:EXAMPLES]]
