"""Human votes, in both forms they come in: grades of stories, and preferences from the app's compare tab."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from backend.errors import UserError
from evaluation.completions import Completion, read_rows
from evaluation.pairwise import Pair
from evaluation.ratings import is_journal

_WORTH = {"first": 1.0, "second": 0.0, "tie": 0.5, "bad": 0.5}
_TEXTS = ("opening", "language", "first", "second", "first_story", "second_story")


@dataclass(frozen=True)
class Preference:
    """A reader's vote on two stories: 1 when the first of the pair is better, 0 when the second is, 0.5 for neither."""

    pair: Pair
    worth: float


def read_preferences(path: Path) -> list[Preference]:
    """The votes of the compare tab that count, from its `votes.sqlite` or its dataset's JSON lines.

    The models of a pair stand in alphabetical order. Raises UserError with the row that is no vote.
    """
    found = []
    for number, row in enumerate(_sqlite_rows(path) if is_journal(path) else read_rows(path), 1):
        try:
            if row.get("discounted"):
                continue
            worth = _WORTH[row["verdict"]]
            told = {name: row[name] for name in _TEXTS}
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}, row {number}, is no vote of the compare tab; it lacks or misnames {error}.") from None
        if wrong := [name for name, text in told.items() if not isinstance(text, str)]:
            raise UserError(f"{path}, row {number}, is no vote of the compare tab; its {wrong[0]} is no text.")
        stories = [
            Completion(told["opening"], told[f"{side}_story"], told[side], told["language"]) for side in ("first", "second")
        ]
        if stories[0].model > stories[1].model:
            stories, worth = stories[::-1], 1 - worth
        found.append(Preference(Pair(*stories), worth))
    return found


def are_preferences(path: Path) -> bool:
    """Whether a file holds votes of the compare tab: an SQLite database of them, or rows with a verdict."""
    if is_journal(path):
        return _table_exists(path, "votes")
    rows = read_rows(path)
    return bool(rows) and "verdict" in rows[0]


def voted_stories(path: Path) -> list[Completion]:
    """The stories that readers voted on, each once, for a judge to rate. Raises UserError as `read_preferences`."""
    found: dict[tuple, Completion] = {}
    counts: Counter = Counter()
    for vote in read_preferences(path):
        for story in (vote.pair.first, vote.pair.second):
            place = story.model, story.language, story.opening
            if (*place, story.completion.strip()) not in found:
                found[*place, story.completion.strip()] = replace(story, index=counts[place])
                counts[place] += 1
    return list(found.values())


def read_grades(path: Path) -> dict[tuple[str, str, int], float]:
    """Mean human grade by (model, opening, index), of JSON lines with these and `overall`. Raises UserError with the row."""
    if is_journal(path):
        raise UserError(f"{path} is a database without votes; give the app's votes.sqlite, or JSON lines of grades.")
    grades: dict[tuple[str, str, int], list[float]] = {}
    for number, vote in enumerate(read_rows(path), 1):
        try:
            key = str(vote["model"]), str(vote["opening"]), int(vote["index"])
            grades.setdefault(key, []).append(float(vote["overall"]))
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path}, row {number}, is no vote; it needs model, opening, index and overall.") from None
    return {key: sum(values) / len(values) for key, values in grades.items()}


def _sqlite_rows(path: Path) -> Sequence[dict]:
    try:
        with _opened(path) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM votes")]
    except sqlite3.Error as error:
        raise UserError(f"{path} holds no votes ({error}); give the app's votes.sqlite or JSON lines.") from None


def _opened(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True))


def _table_exists(path: Path, name: str) -> bool:
    with _opened(path) as connection:
        try:
            return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None
        except sqlite3.Error:
            return False
