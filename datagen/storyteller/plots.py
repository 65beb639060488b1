"""Reads plots and phrase groups from a language's folder."""

import functools
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import UserError
from backend.languages import Language
from datagen.storyteller.grammar import Phrasing, Scene, compile_phrasing

_HEADER = re.compile(r"(\w+)(\*?):\s*(.+)")


class Options:
    """Several ways to say something: a sentence's phrasings, or the lines of a group.

    `optional` ones are left out half the time.
    """

    def __init__(self, optional: bool = False):
        self.phrasings: list[Phrasing] = []
        self.optional = optional
        self._fitting: dict[tuple, list[Phrasing]] = {}

    @functools.cached_property
    def _asked(self) -> tuple[str, ...]:
        return tuple(sorted({role for phrasing in self.phrasings for role, _ in phrasing.conditions}))

    def fitting(self, scene: Scene, speaking_of: frozenset[str] = frozenset()) -> list[Phrasing]:
        """The phrasings whose roles the scene has and whose conditions hold; where some speak of all these roles, those."""
        roles = scene.roles
        key = (scene.names, speaking_of, *[roles[role].kind for role in self._asked if role in roles])
        if key not in self._fitting:
            fitting = [p for p in self.phrasings if p.roles <= roles.keys() and p.fits(scene)]
            self._fitting[key] = [p for p in fitting if p.roles >= speaking_of] or fitting
        return self._fitting[key]


Groups = dict[str, Options]


@dataclass(slots=True, eq=False)
class Plot:
    """One story plan: its roles with the kinds that fill them, its paragraphs, its own phrase groups."""

    path: Path
    title: str
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    noun_roles: list[str] = field(default_factory=list)
    paragraphs: list[list[Options]] = field(default_factory=list)
    groups: Groups = field(default_factory=dict)

    @property
    def opens_as_any_story(self) -> bool:
        """Whether the first sentence is a line of the shared group @prelude, so that the rest goes on from any opening."""
        return all(phrasing.calls == "prelude" for phrasing in self.paragraphs[0][0].phrasings)

    @property
    def spoken_of(self) -> frozenset[str]:
        """The roles that such a first sentence brings in: the hero, and the noun's where it is a thing."""
        return frozenset({"hero", "thing"} & self.roles.keys())


def _lines(path: Path) -> list[tuple[str, str]]:
    text = unicodedata.normalize("NFC", path.read_text("utf-8"))
    return [(f"{path}:{number}", line.strip()) for number, line in enumerate(text.splitlines(), start=1)]


def read_groups(lines: list[tuple[str, str]], genders: tuple[str, ...]) -> Groups:
    """Phrase groups: `@name`, then lines that begin with `- `. Raises UserError with file and line."""
    groups: Groups = {}
    current: Options | None = None
    for where, line in lines:
        if not line or line.startswith("#"):
            continue
        if line.startswith("@"):
            current = groups.setdefault(line[1:].strip(), Options())
        elif line.startswith("- ") and current is not None:
            current.phrasings.append(compile_phrasing(line[2:].strip(), where, genders))
        else:
            raise UserError(f"{where}: a group's line begins with '- ' and stands below its '@name'; this one is: {line}")
    return groups


def read_plot(path: Path, genders: tuple[str, ...]) -> Plot:
    """One plot file. Raises UserError with file and line for what does not fit the notation."""
    plot = Plot(path, title=path.stem)
    paragraph: list[Options] = []
    in_header = True
    lines = _lines(path)
    for position, (where, line) in enumerate(lines):
        if line.startswith("#"):
            continue
        if not line:
            if paragraph:
                plot.paragraphs.append(paragraph)
                paragraph = []
        elif line.startswith("@"):
            plot.groups = read_groups(lines[position:], genders)
            break
        elif line.startswith(("- ", "-? ")):
            in_header = False
            optional = line.startswith("-?")
            paragraph.append(Options(optional))
            paragraph[-1].phrasings.append(compile_phrasing(line[3 if optional else 2 :].strip(), where, genders))
        elif line.startswith("/ ") and paragraph:
            paragraph[-1].phrasings.append(compile_phrasing(line[2:].strip(), where, genders))
        elif in_header and (match := _HEADER.fullmatch(line)):
            name, star, value = match.groups()
            if name == "title":
                plot.title = value
                continue
            plot.roles[name] = tuple(kind.strip() for kind in re.split(r"[,|]", value))
            if star:
                plot.noun_roles.append(name)
        else:
            raise UserError(f"{where}: a line begins with '- ', '-? ', '/ ' or '@', or is 'role: kinds'; this one is: {line}")
    if paragraph:
        plot.paragraphs.append(paragraph)
    return plot


def read_language_plots(language: Language) -> tuple[list[Plot], Groups]:
    """All plots of a language in the order of their file names, and its shared phrase groups."""
    phrases = language.folder / "phrases.txt"
    groups = read_groups(_lines(phrases), language.genders) if phrases.exists() else {}
    paths = sorted((language.folder / "plots").glob("*.txt"))
    return [read_plot(path, language.genders) for path in paths], groups
