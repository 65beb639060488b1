"""How a story looks on the page: escaped, in its language's typeface, the opening set apart."""

import html

from backend.languages import Language


def story_html(opening: str, completion: str, language: Language, note: str = "", writing: bool = False) -> str:
    """One story as HTML. All text is escaped; `note` stands below it, small."""
    joined = opening + completion
    pieces, position = [], 0
    for paragraph in joined.split("\n\n"):
        split = max(0, min(len(paragraph), len(opening) - position))
        begun, rest = html.escape(paragraph[:split]), html.escape(paragraph[split:])
        pieces.append(f"<p>{f'<span class=opening>{begun}</span>' if begun else ''}{rest}</p>")
        position += len(paragraph) + 2
    caret = '<span class="caret"></span>' if writing else ""
    if caret:
        pieces[-1] = pieces[-1].removesuffix("</p>") + caret + "</p>"
    foot = f'<footer>{html.escape(note)}</footer>' if note else ""
    return f'<article class="story" lang="{html.escape(language.code)}">{"".join(pieces)}{foot}</article>'


def shelf(stories: list[str]) -> str:
    """Several stories beside or below each other."""
    return f'<div class="shelf">{"".join(stories)}</div>'


def message_html(text: str, kind: str = "hint") -> str:
    """A sentence for the visitor: `hint` or `problem`."""
    role = ' role="alert"' if kind == "problem" else ""
    return f'<div class="message {kind}"{role}>{html.escape(text)}</div>'
