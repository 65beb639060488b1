"""Ratings: what one judge said of one story in one of its repeats. They are kept apart and never averaged in a file."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from backend.errors import UserError
from backend.files import writing
from backend.llm.journal import Journal
from evaluation.completions import Completion, language_and_model_of, read_rows
from evaluation.rubrics import CRITERIA, NotAScore, read_scores

_PAPER_ID = re.compile(r"Prompt\[(\d+)\] - Story\[(\d+)\] \| Prompt: (.*)", re.DOTALL)


@dataclass(frozen=True)
class Rating:
    """Six grades, 1…10, of one story. `raw` is the judge's whole answer."""

    model: str
    language: str
    opening: str
    index: int
    judge: str
    rubric: str
    repeat: int
    scores: dict[str, float]
    reason: str = ""
    raw: str = ""
    completion: str = ""
    finished: bool | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    @property
    def story(self) -> Completion:
        """What was rated."""
        return Completion(self.opening, self.completion, self.model, self.language, self.index, finished=self.finished)


@dataclass(frozen=True)
class Grid:
    """The ratings of one language, judge and rubric: `values` (rows, models, criteria), NaN where there is none.

    A row is a story's place: opening, index and repeat, the same for every model; `clusters` are the rows' openings.
    """

    language: str
    judge: str
    rubric: str
    models: list[str]
    rows: list[tuple[str, int, int]]
    values: np.ndarray
    clusters: np.ndarray = field(repr=False)


def write_ratings(path: Path, ratings: Iterable[Rating]) -> None:
    """One JSON line a rating."""
    with writing(path) as file:
        for rating in ratings:
            file.write(json.dumps(asdict(rating), ensure_ascii=False) + "\n")


def read_ratings(path: Path) -> list[Rating]:
    """Read ratings: this project's JSON lines, a judge's journal, or the paper's JSON list of six scores and an ID.

    Raises UserError with file and row for anything else.
    """
    if is_journal(path):
        with Journal.read(path) as journal:
            return list(journal_ratings(journal).values())
    rows = read_rows(path)
    if not rows:
        raise UserError(f"{path} holds no ratings; `python -m evaluation judge` writes them.")
    language, model = language_and_model_of(path)
    return [
        _from_paper(path, n, row, language, model) if "ID" in row else _from_row(path, n, row)
        for n, row in enumerate(rows, 1)
    ]


def is_journal(path: Path) -> bool:
    """Whether a file is an SQLite database."""
    with open(path, "rb") as file:
        return file.read(15) == b"SQLite format 3"


def journal_ratings(journal: Journal) -> dict[str, Rating]:
    """The ratings in a judge's journal by the id of their question. Raises UserError for another command's journal."""
    if journal.meta("purpose") != "judge":
        raise UserError(f"{journal.path} holds no ratings; `python -m evaluation judge` makes a journal that does.")
    found = {}
    columns = "id, text, record, facts, input_tokens, output_tokens, cost"
    for id_, text, record, facts, tokens_in, tokens_out, cost in journal.accepted(columns):
        told = json.loads(record) | json.loads(facts)
        told.pop("seed")
        found[id_] = Rating(
            **told, raw=text, input_tokens=tokens_in or 0, output_tokens=tokens_out or 0, cost=cost or 0.0
        )
    return found


def _from_row(path: Path, number: int, row: dict) -> Rating:
    needed = {field.name: field.default is MISSING for field in fields(Rating)}
    lacking, unknown = [name for name in needed if needed[name] and name not in row], [name for name in row if name not in needed]
    if lacking or unknown:
        what = f"lacks {', '.join(lacking)}" if lacking else f"has {', '.join(map(str, unknown))[:200]}"
        raise UserError(f"{path}, row {number}, is no rating, for it {what}; `python -m evaluation judge --out` writes ratings.")
    scores = row["scores"]
    if not isinstance(scores, dict) or set(scores) != set(CRITERIA):
        raise UserError(f"{path}, row {number}, is no rating: its scores must be {', '.join(CRITERIA)}.")
    for name, value in scores.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 10:
            raise UserError(f"{path}, row {number}, is no rating: its {name} is {value!r:.40}, and not a number from 1 to 10.")
    for name in ("index", "repeat"):
        if isinstance(row[name], bool) or not isinstance(row[name], int):
            raise UserError(f"{path}, row {number}, is no rating: its {name} is {row[name]!r:.40}, which is no whole number.")
    for name in ("model", "language", "opening", "judge", "rubric"):
        if not isinstance(row[name], str):
            raise UserError(f"{path}, row {number}, is no rating: its {name} is {row[name]!r:.40}, which is no text.")
    return Rating(**row)


def _from_paper(path: Path, number: int, row: dict, language: str | None, model: str | None) -> Rating:
    place = _PAPER_ID.match(str(row["ID"]))
    try:
        scores = read_scores(json.dumps(row))
    except NotAScore as error:
        raise UserError(f"{path}, row {number}, does not hold the paper's six scores: {error}.") from None
    return Rating(
        model=model or Path(path).stem,
        language=language or "",
        opening=place.group(3).strip() if place else str(row["ID"]),
        index=int(place.group(2)) - 1 if place else 0,
        judge="as in the file",
        rubric="paper",
        repeat=0,
        scores=scores.values,
        raw=json.dumps(row, ensure_ascii=False),
    )


def grids(ratings: Sequence[Rating]) -> list[Grid]:
    """Sort ratings into one grid for each language, judge and rubric."""
    groups: dict[tuple[str, str, str], list[Rating]] = {}
    for rating in ratings:
        groups.setdefault((rating.language, rating.judge, rating.rubric), []).append(rating)
    found = []
    for (language, judge, rubric), group in sorted(groups.items()):
        models = sorted({rating.model for rating in group})
        rows = sorted({(rating.opening, rating.index, rating.repeat) for rating in group})
        row_of, model_of = ({key: i for i, key in enumerate(keys)} for keys in (rows, models))
        values = np.full((len(rows), len(models), len(CRITERIA)), np.nan)
        for rating in group:
            place = row_of[rating.opening, rating.index, rating.repeat], model_of[rating.model]
            values[place] = [rating.scores[name] for name in CRITERIA]
        clusters = np.unique([row[0] for row in rows], return_inverse=True)[1]
        found.append(Grid(language, judge, rubric, models, rows, values, clusters))
    return found
