"""The template notation of languages/README.md, compiled to small functions.

A phrasing becomes a `Phrasing` whose parts are plain strings or functions of a `Scene`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from backend.errors import UserError
from datagen.words import Word

PROMPT_ROLES = ("verb", "adjective", "feature")
_CONDITION = re.compile(r"\[if ([^\]]*)\]\s*")
_BRACES = re.compile(r"(\w+)(?:\.(\w+))?(?::(\w+))?")


@dataclass(slots=True)
class Scene:
    """Who plays which role in one story, and the dice."""

    names: tuple[str, ...]
    roles: dict[str, Word]
    genders: dict[str, int]
    dice: Random


Part = str | Callable[[Scene], str]


@dataclass(slots=True, eq=False)
class Phrasing:
    """One way to say a sentence. `calls` names the group that it draws from, for a line `@name`."""

    parts: tuple[Part, ...]
    where: str
    source: str
    conditions: tuple[tuple[str, frozenset[str]], ...] = ()
    roles: frozenset[str] = frozenset()
    forms: frozenset[tuple[str, str]] = frozenset()
    calls: str | None = None

    def say(self, scene: Scene) -> str:
        """The sentence for this scene."""
        return "".join([part if type(part) is str else part(scene) for part in self.parts])

    def fits(self, scene: Scene) -> bool:
        """Whether every condition holds."""
        return all(scene.roles[role].kind in kinds for role, kinds in self.conditions)


@dataclass(slots=True)
class _Reader:
    text: str
    where: str
    genders: tuple[str, ...]
    position: int = 0
    roles: set[str] = field(default_factory=set)
    forms: set[tuple[str, str]] = field(default_factory=set)

    def fail(self, what: str) -> UserError:
        return UserError(f"{self.where}: {what} in: {self.text}")

    def sequence(self, stops: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        plain: list[str] = []
        while self.position < len(self.text) and (character := self.text[self.position]) not in stops:
            if character in "{[(":
                part = {"{": self.slot, "[": self.agreement, "(": self.choice}[character]()
                if type(part) is str:
                    plain.append(part)
                    continue
                if plain:
                    parts.append("".join(plain))
                    plain = []
                parts.append(part)
            else:
                plain.append(character)
                self.position += 1
        if plain:
            parts.append("".join(plain))
        return tuple(parts)

    def slot(self) -> Part:
        end = self.text.find("}", self.position)
        match = _BRACES.fullmatch(self.text[self.position + 1 : end]) if end > 0 else None
        if not match:
            raise self.fail("a { is not closed or does not hold role.form:role")
        role, form, beside = match.group(1), match.group(2) or "word", match.group(3)
        self.position = end + 1
        self.roles.add(role)
        if not beside:
            self.forms.add((role, form))
            return lambda scene: scene.roles[role][form]
        self.roles.add(beside)
        return lambda scene: scene.roles[role].agree(form, scene.roles[beside].gender)

    def options(self, close: str) -> list[tuple[Part, ...]]:
        options = []
        while True:
            options.append(self.sequence("|" + close))
            if self.position >= len(self.text):
                raise self.fail(f"a {close} is missing")
            self.position += 1
            if self.text[self.position - 1] == close:
                return options

    def agreement(self) -> Part:
        head = re.match(r"\[(\w+):", self.text[self.position :])
        if not head:
            raise self.fail("a [ does not begin with [role:")
        role = head.group(1)
        self.position += head.end()
        self.roles.add(role)
        options = self.options("]")
        if len(options) != len(self.genders):
            raise self.fail(f"[{role}:…] has {len(options)} options, but the genders are {', '.join(self.genders)}")
        says = [_join(option) for option in options]
        return lambda scene: says[scene.genders[role]](scene)

    def choice(self) -> Part:
        self.position += 1
        options = self.options(")")
        if len(options) == 1:
            return _around(options[0])
        says, count = [_join(option) for option in options], len(options)
        return lambda scene: says[int(scene.dice.random() * count)](scene)


def _around(option: tuple[Part, ...]) -> Part:
    if all(type(part) is str for part in option):
        return f"({''.join(option)})"
    say = _join(option)
    return lambda scene: f"({say(scene)})"


def _join(parts: tuple[Part, ...]) -> Callable[[Scene], str]:
    if not parts:
        return lambda scene: ""
    if len(parts) == 1:
        part = parts[0]
        return (lambda scene: part) if type(part) is str else part
    return lambda scene: "".join([part if type(part) is str else part(scene) for part in parts])


def compile_phrasing(text: str, where: str, genders: tuple[str, ...]) -> Phrasing:
    """Compile one phrasing. Raises UserError with file and line for a notation that does not close."""
    conditions, roles, rest = [], set(), text
    if match := _CONDITION.match(text):
        rest = text[match.end() :]
        for clause in match.group(1).split():
            role, equals, kinds = clause.partition("=")
            if not equals:
                raise UserError(f"{where}: the condition '{clause}' is not of the form role=kind,kind.")
            conditions.append((role, frozenset(kinds.split(","))))
            roles.add(role)
    if rest.startswith("@"):
        return Phrasing((), where, text, tuple(conditions), frozenset(roles), calls=rest[1:].strip())
    reader = _Reader(rest, where, genders)
    parts = reader.sequence("")
    roles |= reader.roles
    return Phrasing(parts, where, text, tuple(conditions), frozenset(roles), frozenset(reader.forms))
