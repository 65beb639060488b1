"""Words that no reference text holds: what a small model makes up when it puts pieces of words together wrongly."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from backend.errors import UserError
from evaluation.completions import Completion
from evaluation.text import as_language, without_ending, words


def unknown_shares(completions: Sequence[Completion], texts: Iterable[str]) -> list[float]:
    """Of each completion the share of words that neither its own opening nor any of `texts`, read once, holds.

    A name of the opening with another case ending (थियोने, then थियोला) is not unknown.
    """
    said = [words(item.completion) for item in completions]
    unknown = {word for text in said for word in text}
    for text in texts:
        if not unknown:
            break
        unknown.difference_update(words(text))
    shares = []
    for item, text in zip(completions, said, strict=True):
        language = as_language(item.language)
        given = {without_ending(word, language) for word in words(item.opening)}
        made_up = {word for word in unknown.intersection(text) if without_ending(word, language) not in given}
        shares.append(sum(word in made_up for word in text) / len(text) if text else 0.0)
    return shares


def corpus_texts(path: Path, column: str = "story") -> Iterator[str]:
    """The texts of JSON lines. Raises UserError with the line that has none, and for a file without any."""
    found = 0
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip():
                    text = json.loads(line)[column]
                    if not isinstance(text, str):
                        raise TypeError
                    found += 1
                    yield text
            except (ValueError, KeyError, TypeError):
                raise UserError(
                    f"{path}:{number} is no JSON object with a text in '{column}'; name it with --column."
                ) from None
    if not found:
        raise UserError(f"{path} holds no stories, so that every word would be unknown; give JSON lines.")
