"""How a story looks on the page: escaped, in its language's typeface, the opening set apart."""

import html
from collections.abc import Sequence

from backend.languages import Language


def story_html(
    opening: str, completion: str, language: Language, facts: Sequence[str] = (), writing: bool = False, title: str = ""
) -> str:
    """One story as HTML, all of it escaped. `facts` stand below it, small; `writing` shows a caret."""
    pieces, position = [], 0
    for paragraph in (opening + completion).split("\n\n"):
        split = max(0, min(len(paragraph), len(opening) - position))
        begun, rest = (html.escape(part).replace("\n", "<br>") for part in (paragraph[:split], paragraph[split:]))
        pieces.append((f'<span class="opening">{begun}</span>' if begun else "") + rest)
        position += len(paragraph) + 2
    if writing:
        pieces[-1] += '<span class="caret"></span>'
    head = f"<h4>{html.escape(title)}</h4>" if title else ""
    foot = "".join(f"<span>{html.escape(fact)}</span>" for fact in facts)
    body = "".join(f"<p>{piece}</p>" for piece in pieces)
    state = ' aria-busy="true"' if writing else ""
    return (
        f'<article class="story" lang="{html.escape(language.code)}"{state}>{head}{body}'
        f"{f'<footer>{foot}</footer>' if foot else ''}</article>"
    )


def shelf(stories: Sequence[str]) -> str:
    """Several stories beside or below each other."""
    return f'<div class="shelf">{"".join(stories)}</div>'


def message_html(text: str, kind: str = "hint") -> str:
    """A sentence for the visitor: `hint` or `problem`."""
    role = ' role="alert"' if kind == "problem" else ""
    return f'<div class="message {kind}"{role}>{html.escape(text)}</div>'
