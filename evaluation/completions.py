"""Completions and ratings as they lie in files: this project's JSON lines, and the paper's two JSON formats."""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backend.errors import UserError
from evaluation.text import as_language

_PAPER_ID = re.compile(r"Prompt\[(\d+)\] - Story\[(\d+)\]")
_NO_SPACE_BEFORE = tuple(",.;:!?।…’”)'\"\n ")


@dataclass(frozen=True)
class Completion:
    """One completion of an opening. `index` tells completions of one opening apart."""

    opening: str
    completion: str
    model: str
    language: str
    index: int = 0
    seed: int | None = None
    finished: bool | None = None
    mean_log_probability: float | None = None  # nats a token, by its own model; noted of quick models

    @property
    def story(self) -> str:
        """Opening and completion as one text, which is what a judge reads."""
        gap = "" if self.completion.startswith(_NO_SPACE_BEFORE) or not self.opening else " "
        return (self.opening + gap + self.completion).strip()

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes a completion one and no other."""
        return self.model, self.language, self.opening, self.index


def read_completions(path: Path, language: str | None = None, model: str | None = None) -> list[Completion]:
    """Read completions: JSON lines as sampling writes them, or the paper's JSON list of `ID, prompt, story`.

    `language` and `model` fill in what a file does not say; for the paper's files the name does. Raises UserError
    with file and row for anything else.
    """
    rows, language = read_rows(path), as_language(language).name if language else None
    guessed_language, guessed_model = language_and_model_of(path)
    language, model = language or guessed_language, model or guessed_model
    found = [_as_completion(path, number, row, language, model) for number, row in enumerate(rows, start=1)]
    if not found:
        raise UserError(f"{path} holds no completions; `trainer/sample.py --out` writes such a file.")
    return found


def read_all(paths: Iterable[Path], language: str | None = None) -> list[Completion]:
    """The completions of several files. Raises UserError where two take the same place, for one would hide the other."""
    found: dict[tuple, Completion] = {}
    for path in paths:
        for item in read_completions(path, language):
            if item.key in found:
                raise UserError(
                    f"{path} has '{item.model}' complete “{item.opening[:40]}” as story {item.index} once more; "
                    "give each run its own `model` and each of its stories its own `index`."
                )
            found[item.key] = item
    return list(found.values())


def read_rows(path: Path) -> list[dict]:
    """The objects of a JSON list or of JSON lines. Raises UserError with the line that does not fit."""
    try:
        text = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; give a JSON or JSONL file.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error}); give a JSON or JSONL file in UTF-8.") from None
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{error.lineno} is not JSON: {error.msg}.") from None
        except RecursionError:
            raise UserError(f"{path} nests lists too deeply to be stories; give a JSON list of objects.") from None
    else:
        rows = []
        # Not splitlines: what else it takes for an end of line may stand in a story.
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise UserError(f"{path}:{number} is not JSON: {error.msg}.") from None
            except RecursionError:
                raise UserError(f"{path}:{number} nests lists too deeply to be a story; each line must be one object.") from None
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}, is not a JSON object; each row must be one.")
    return rows


def _as_completion(path: Path, number: int, row: dict, language: str | None, model: str | None) -> Completion:
    opening = row.get("opening", row.get("prompt", ""))
    text = row.get("completion", row.get("story"))
    if text is None and "overall" in row:
        raise UserError(f"{path}, row {number}, has grades and no story; `python -m evaluation report` reads ratings.")
    if not isinstance(text, str) or not isinstance(opening, str):
        raise UserError(
            f"{path}, row {number}, has no text; a row needs `opening` and `completion`, or the paper's `prompt` and `story`."
        )
    opening = unicodedata.normalize("NFC", opening).strip()
    text = unicodedata.normalize("NFC", text)
    if "completion" not in row and text.strip().startswith(opening):
        text = text.strip()[len(opening) :]
    named = row.get("language") or language
    if not named:
        raise UserError(f"{path}, row {number}, does not say its language; give it with --language.")
    place, index = _PAPER_ID.match(str(row.get("ID", ""))), row.get("index", 0)
    if not isinstance(index, int):
        raise UserError(f"{path}, row {number}, has the index {index!r:.40}, which is no whole number.")
    return Completion(
        opening=opening,
        completion=text,
        model=str(row.get("model") or model or Path(path).stem),
        language=as_language(str(named)).name,
        index=int(place.group(2)) - 1 if place else index,
        seed=row.get("seed"),
        finished=row.get("finished"),
        mean_log_probability=row.get("mean_log_probability"),
    )


def language_and_model_of(path: Path) -> tuple[str | None, str | None]:
    """Language and model of the paper's file names, such as `hindi-sample-ckpt_sarvam_53M_….json`."""
    match = re.match(r"(?:eval-)?(\w+)-sample-(.+)$", Path(path).stem)
    if match is None:
        return None, None
    name = {"beng": "bangla"}.get(match.group(1), match.group(1))
    try:
        return as_language(name).name, match.group(2)
    except UserError:
        return None, match.group(2)
