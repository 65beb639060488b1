"""The registry of languages: reads the folders under languages/."""

import csv
import functools
import json
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from backend.errors import UserError

LANGUAGES_FOLDER = Path(__file__).resolve().parent.parent / "languages"


@dataclass(frozen=True)
class Language:
    """What `language.yaml` says of a language; languages/README.md explains each field."""

    folder: Path
    name: str
    english_name: str
    native_name: str
    code: str
    script: str
    unicode_ranges: tuple[tuple[int, int], ...]
    sentence_ends: str
    script_instruction: str = ""
    fonts: tuple[str, ...] = ()
    books: tuple[str, ...] = ()
    feature_example: str = ""
    genders: tuple[str, ...] = ()
    name_suffixes: tuple[str, ...] = ()
    name_marks: tuple[str, ...] = ()  # what is said after whoever does something, or joined to the name
    noun_endings: str = ""  # a regex: what tokens part from a noun's stem
    refusals: tuple[str, ...] = ()
    defaults: dict[str, str] = field(default_factory=dict, hash=False)
    gendered: dict[str, list[str]] = field(default_factory=dict, hash=False)
    spellings: tuple[dict[str, str], ...] = field(default=(), hash=False)

    def in_script(self, character: str) -> bool:
        """Whether a character belongs to the language's own script."""
        return any(low <= ord(character) <= high for low, high in self.unicode_ranges)

    def openings(self) -> list[str]:
        """The example openings of `openings.txt`; none where the file is missing."""
        path = self.folder / "openings.txt"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [unicodedata.normalize("NFC", line.strip()) for line in lines if line.strip()]

    def stories(self) -> list[dict]:
        """The rows of `stories.jsonl`, the whole stories; none where the file is missing."""
        path = self.folder / "stories.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [json.loads(unicodedata.normalize("NFC", line)) for line in lines if line.strip()]


def language_names() -> list[str]:
    """The names of all languages that have a folder, in alphabetical order."""
    return sorted(path.parent.name for path in LANGUAGES_FOLDER.glob("*/language.yaml"))


@functools.cache
def load_language(name: str) -> Language:
    """Read one language. Raises UserError for an unknown name or an incomplete `language.yaml`."""
    path = LANGUAGES_FOLDER / name / "language.yaml"
    if name not in language_names():
        raise UserError(f"There is no language '{name}' under languages/; choose one of {', '.join(language_names())}.")
    values = yaml.safe_load(path.read_text("utf-8"))
    for key, value in values.items():
        if isinstance(value, list):
            values[key] = tuple(tuple(item) if isinstance(item, list) else item for item in value)
    try:
        return Language(folder=path.parent, **values)
    except TypeError as error:
        raise UserError(f"{path} does not fit: {error}; languages/README.md lists its fields.") from None


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated word list, in NFC, each with the key `line` for its line number."""
    rows, header = [], None
    with open(path, encoding="utf-8", newline="") as file:
        for number, cells in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
                continue
            cells = [unicodedata.normalize("NFC", cell.strip()) for cell in cells]
            if header is None:
                header = cells
            elif len(cells) > len(header):
                raise UserError(f"{path}:{number} has {len(cells)} cells, but the header names {len(header)}.")
            else:
                cells += [""] * (len(header) - len(cells))
                rows.append(dict(zip(header, cells, strict=True), line=str(number)))
    return rows
