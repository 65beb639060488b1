"""A text as sentences and what stands between them, so that it can be put together again as it was."""

import functools
import re

_CLOSING = "\"'”’»)\\]"
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|No)|\b[A-Z]|डॉ|श्री|डा|ডা|মো)\.$")


def sentences(text: str, ends: str) -> list[tuple[str, str]]:
    """(sentence, white space after it) pairs whose joined parts are the text; `ends` are the signs that end a sentence.

    A new line ends one too. Cuts are at white space alone, and so never inside a letter with its signs.
    """
    parts, start = [], 0
    for gap in _gaps(ends).finditer(text):
        sentence, follows = text[start : gap.start()], text[gap.end() : gap.end() + 1]
        goes_on = follows.islower() or bool(_ABBREVIATION.search(sentence))  # "Stop!" said Tom; Mr. Fox
        if not sentence or (goes_on and "\n" not in gap.group()):
            continue
        parts.append((sentence, gap.group()))
        start = gap.end()
    if start < len(text):
        parts.append((text[start:], ""))
    return parts


@functools.cache
def _gaps(ends: str) -> re.Pattern:
    """White space after the end of a sentence and the quotes that close with it, or with a new line in it."""
    end, closing = f"[{re.escape(ends)}…]", f"[{_CLOSING}]"
    return re.compile(rf"(?:(?<={end})|(?<={end}{closing})|(?<={end}{closing}{closing}))[^\S\n]+(?!\s*\n)|\s*\n\s*")
