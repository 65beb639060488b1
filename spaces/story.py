"""How a story looks on the page: escaped, in its language's typeface, the opening set apart."""

import html
from collections.abc import Sequence

from backend.languages import Language


def story_html(
    opening: str, completion: str, language: Language, facts: Sequence[str] = (), writing: bool = False, title: str = "",
    come: float | None = None,
) -> str:
    """One story as HTML, all of it escaped. `facts` stand below it, small; `writing` shows a caret.

    `come` is the share of its model that has come from the Hub, while that is on its way.
    """
    pieces, position = [], 0
    for paragraph in (opening + completion).split("\n\n"):
        split = max(0, min(len(paragraph), len(opening) - position))
        begun, rest = (html.escape(part).replace("\n", "<br>") for part in (paragraph[:split], paragraph[split:]))
        pieces.append((f'<span class="opening">{begun}</span>' if begun else "") + rest)
        position += len(paragraph) + 2
    if writing:
        pieces[-1] += '<span class="caret"></span>'
    head = f"<h4>{html.escape(title)}</h4>" if title else ""
    bar = "" if come is None else progress_html(come)
    foot = bar + "".join(f"<span>{html.escape(fact)}</span>" for fact in facts)
    body = "".join(f"<p>{piece}</p>" for piece in pieces)
    state = ' aria-busy="true"' if writing else ""
    return (
        f'<article class="story" lang="{html.escape(language.code)}"{state}>{head}{body}'
        f"{f'<footer>{foot}</footer>' if foot else ''}</article>"
    )


def progress_html(share: float) -> str:
    """A bar for a share from 0 to 1."""
    return f'<progress max="1" value="{share:.3f}"></progress>'


def shelf(stories: Sequence[str]) -> str:
    """Several stories beside or below each other."""
    return f'<div class="shelf">{"".join(stories)}</div>'


def message_html(text: str, kind: str = "hint", share: float | None = None) -> str:
    """A sentence for the visitor: `hint` or `problem`; with a `share` a bar stands below it."""
    role = ' role="alert"' if kind == "problem" else ""
    bar = "" if share is None else f"<br>{progress_html(share)}"
    return f'<div class="message {kind}"{role}>{html.escape(text)}{bar}</div>'
