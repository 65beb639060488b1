"""Whole stories taken apart into opening and completion, so that people's own can be measured as a model's are."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from backend.errors import UserError
from evaluation.completions import Completion, read_completions
from evaluation.text import as_language, sentences

_OPENING = 8  # words


def read_whole_stories(paths: Iterable[Path], most: int, language: str | None = None) -> list[Completion]:
    """Of each story the first sentences of eight or more words as the opening, the next `most` words as the completion.

    Stories with less than half of these are left out. Raises UserError when none is left, or for a file without stories.
    """
    found: list[Completion] = []
    openings: Counter = Counter()
    for path in paths:
        for item in read_completions(path, language):
            begun = _taken_apart(item, most)
            if begun:
                place = begun.model, begun.language, begun.opening
                found.append(replace(begun, index=openings[place]))
                openings[place] += 1
    if not found:
        raise UserError(f"No story of {', '.join(map(str, paths))} has {most // 2} words after its beginning; ask for fewer.")
    return found


def _taken_apart(item: Completion, most: int) -> Completion | None:
    parts = sentences(" ".join(item.story.split()), as_language(item.language).sentence_ends)
    begun = 1
    while begun < len(parts) and len(" ".join(parts[:begun]).split()) < _OPENING:
        begun += 1
    rest = " ".join(parts[begun:]).split()[:most]
    if 2 * len(rest) < most:
        return None
    return replace(item, opening=" ".join(parts[:begun]), completion=" ".join(rest), finished=None)
