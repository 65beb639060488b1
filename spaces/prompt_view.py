"""A prompt and the story that came of it, as HTML: what a level adds, the asked words, the checks."""

import difflib
import html
import re
from collections.abc import Mapping

from backend.languages import load_language
from datagen.templates import template
from evaluation.quick_check import quick_check
from spaces.asked import forms_of, marked

# The complexity that each builds on.
BEFORE = {"2": "1", "2+": "2", "3": "2", "4": "3", "4+": "4", "5": "4"}
KINDS = ("noun", "verb", "adjective", "feature")


def prompt_html(prompt: str, language: str, complexity: str, chosen: Mapping[str, str]) -> str:
    """The prompt with its words marked, and set off what this complexity says beyond the one before it."""
    known = load_language(language)
    before = BEFORE.get(complexity)
    old = template(known, before)(*(chosen[kind] for kind in ("noun", "verb", "adjective", "feature"))) if before else prompt
    pieces = []
    was, now = _tokens(old), _tokens(prompt)
    for operation, _, _, start, end in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        text = html.escape("".join(now[start:end]), quote=False)
        if text and operation in ("insert", "replace") and text.strip():
            text = f'<ins class="new">{text}</ins>'
        pieces.append(text)
    shown = "".join(pieces)
    for kind in KINDS:
        word = html.escape(chosen[kind], quote=False)
        mark = f'"<mark class="{kind}">{word}</mark>"'
        shown = re.sub(rf'"(?:</?ins[^>]*>)?{re.escape(word)}(?:</?ins[^>]*>)?"', lambda _, mark=mark: mark, shown, count=1)
    return f'<div class="prompt" lang="en">{shown}</div>'


def told_html(story: str, language: str, teller: str, chosen: Mapping[str, str], words: dict) -> str:
    """The story with the asked words marked, and below it each check with yes or no."""
    known = load_language(language)
    forms = forms_of(language, chosen)
    paragraphs, found = [], set()
    for paragraph in story.split("\n\n"):
        text, kinds = marked(paragraph, forms)
        paragraphs.append("<p>" + text.replace("\n", "<br>") + "</p>")
        found |= kinds
    passed = quick_check("", story, language).passed
    checks = [(f"{words[f'asked_{kind}']} “{chosen[kind]}”", kind in found) for kind in ("noun", "verb", "adjective")]
    checks += [(words[f"check_{name}"], passed[name]) for name in ("complete", "in_script", "no_repetition", "unbroken")]
    items = "".join(
        f'<li class="{"yes" if good else "no"}"><span aria-hidden="true">{"✓" if good else "✗"}</span> {html.escape(name)}</li>'
        for name, good in checks
    )
    facts = f"<span>{html.escape(teller)}</span><span>{len(story.split())} {words['words']}</span>"
    return (
        f'<article class="story" lang="{html.escape(known.code)}">{"".join(paragraphs)}'
        f'<footer>{facts}<ul class="checks">{items}</ul></footer></article>'
    )


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s+|[^\s\"]+|\"", text)
