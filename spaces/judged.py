"""Stories that visitors give to be scored: pasted, or in a file."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from backend.errors import UserError
from evaluation.completions import Completion, language_and_model_of, read_completions
from spaces.opening import language_of
from spaces.typed import typed

_LONGEST = 12_000  # characters of a story
_LARGEST = 30_000_000  # bytes of a file
_LONGEST_NAME = 120  # characters of a model's name


def pasted(opening: str | None, story: str | None, language: str, words: dict) -> Completion:
    """One story as typed; in the chosen language, or in one whose script it has.

    Raises UserError, in the page's words, when there is none or it is too long.
    """
    if len(opening or "") + len(story or "") > _LONGEST:
        raise UserError(words["judge_too_long"].format(limit=_LONGEST))
    opening, story = typed(opening), typed(story)
    if not story:
        raise UserError(words["judge_empty"])
    if opening and story.startswith(opening):
        story = story[len(opening) :]
    with suppress(UserError):  # a script that no language here has is a fault of the story, which the scores show
        language = language_of(opening + story, language)
    return Completion(opening, story, "", language)


def uploaded(file: Path, language: str, words: dict) -> list[Completion]:
    """The stories of a file; `language` is that of rows which do not say theirs in a file whose name does not either.

    Raises UserError for a file that is too large, is no such file, or has a story too long.
    """
    if file.stat().st_size > _LARGEST:
        raise UserError(words["upload_too_large"].format(limit=_LARGEST // 1_000_000))
    named, _ = language_and_model_of(file)
    items = read_completions(file, named or language)
    return [_cleaned(item, file, number, words) for number, item in enumerate(items, start=1)]


def _cleaned(item: Completion, file: Path, number: int, words: dict) -> Completion:
    if len(item.opening) + len(item.completion) > _LONGEST:
        raise UserError(f"{file.name}, {number}: " + words["judge_too_long"].format(limit=_LONGEST))
    # Where a completion begins with a space, its opening needs it.
    text = " " * item.completion.startswith(" ") + typed(item.completion)
    return replace(item, opening=typed(item.opening), completion=text, model=typed(item.model)[:_LONGEST_NAME])
