"""What the tabs share: the models, who is visiting, the page's language, and parts that one tab lends another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import gradio as gr
from gradio.blocks import Block

from backend.languages import language_names, load_language
from backend.slm.shelf import Models
from spaces.labels import all_labels, labels
from spaces.quota import Quota
from spaces.story import message_html
from spaces.visits import Visits

Part = TypeVar("Part", bound=Block)
# Of events that only the page itself uses: no endpoint for programs, no progress bar over the page.
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass
class Desk:
    """Handed to each tab's `build(desk)` while the page is laid out."""

    models: Models
    visits: Visits
    quota: Quota
    default_language: str
    written: list[str]  # languages that a model here writes
    page_language: gr.State
    tabs: gr.Tabs | None = None
    labelled: list[tuple[str, Block]] = field(default_factory=list)
    other_choices: dict[Block, list[tuple[str, str]]] = field(default_factory=dict)
    story_languages: list[gr.Radio] = field(default_factory=list)  # of the tabs where models write
    stories_to_judge: list[tuple[gr.Button, gr.JSON]] = field(default_factory=list)  # buttons, and the rows they send

    @property
    def words(self) -> dict:
        """The labels that the page starts with."""
        return labels("english")

    def label(self, key: str, part: Part, other_choices: Sequence[tuple[str, str]] = ()) -> Part:
        """Let the page language set this part's words, those of `key` in spaces/labels/; gives the part back.

        `other_choices` follow those that the labels name.
        """
        self.labelled.append((key, part))
        self.other_choices[part] = list(other_choices)
        return part

    def relabel(self, language: str, shown: Mapping[Block, str]) -> list[dict]:
        """An update for each labelled part. `shown` are the values of HTML parts: of these only hints are replaced."""
        words = labels(language)
        return [
            _relabel(key, part, words, shown.get(part), self.other_choices[part]) for key, part in self.labelled
        ]

    def languages(self, every: bool = False) -> list[tuple[str, str]]:
        """(native name, name) of the languages that a model here writes, or of `every` one; the default first."""
        names = sorted(language_names() if every else self.written, key=lambda name: name != self.default_language)
        return [(load_language(name).native_name, name) for name in names]


def _relabel(key: str, part: Block, words: dict, value: object, others: list[tuple[str, str]]) -> dict:
    if isinstance(part, gr.HTML):
        if key.endswith("_note"):
            return gr.update(value=note_html(words[key]))
        for kind in ("hint", "question"):
            if value in {message_html(known[key], kind) for known in all_labels().values() if key in known}:
                return gr.update(value=message_html(words[key], kind))
        return gr.skip()
    if isinstance(part, gr.Button):
        return gr.update(value=words[key])
    update = {"label": words[key]}
    for name in ("info", "placeholder"):
        if f"{key}_{name}" in words:
            update[name] = words[f"{key}_{name}"]
    if f"{key}_choices" in words:
        update["choices"] = choices(words, key) + others
    return gr.update(**update)


def choices(words: dict, key: str) -> list[tuple[str, str]]:
    """(text, value) of a choice whose texts follow the page's language."""
    return [(text, str(value)) for value, text in words[f"{key}_choices"].items()]


def note_html(text: str) -> str:
    """Small print."""
    return f'<p class="note">{text}</p>'
