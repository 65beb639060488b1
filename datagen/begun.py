"""Tells stories that go on from the sentences of `beginnings.tsv`: whom and what those name is cast in an open plot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from datagen.beginnings import PLURAL, Beginning, Children, Finder, Found, read_beginnings
from datagen.coining import coined
from datagen.openings import words_of
from datagen.prompts import Prompt
from datagen.renaming import Names
from datagen.storyteller.grammar import Phrasing, Scene
from datagen.storyteller.plots import Options, Plot
from datagen.storyteller.teller import Storyteller
from datagen.words import Word

EXCHANGED = 0.4  # share of the stories in which the noun of the beginning is another of its kind and gender
RENAMED = 0.8  # share in which its people bear other names
TRIES = 4  # castings, until the child of a beginning is the hero


@dataclass(frozen=True)
class _Usable:
    beginning: Beginning
    children: tuple[Word, ...]
    nouns: tuple[Found, ...]
    gender: str | None  # of the child whom it does not name, where its words show that


class BegunTeller:
    """Stories of one language that begin with a sentence of `beginnings.tsv` and keep to it."""

    def __init__(self, teller: Storyteller, made_up: float, dice: Random):
        """In a share `made_up` the noun is one that nobody knows. Sentences with no noun that a plot could be about are left out."""
        self._teller, self._made_up, self._dice = teller, made_up, dice
        self._names = Names(teller.words)
        self._plots = {plot.path.stem for plot in teller.plots if plot.opens_as_any_story}
        self._kinds = {kind for plot in teller.plots if plot.opens_as_any_story for role in plot.noun_roles for kind in plot.roles[role]}
        self._children = [row for row in teller.words.characters if row.kind == "child"]
        self._usable = list(self._usable_ones())

    def __bool__(self) -> bool:
        """Whether there is anything to begin with."""
        return bool(self._usable)

    def story(self, prompt: Prompt) -> str:
        """A plain story with the prompt's feature; noun and people are those of a beginning."""
        dice = self._dice
        usable = dice.choice(self._usable)
        found = dice.choice([noun for noun in usable.nouns if noun.word.kind in self._kinds])
        noun = self._noun(found)
        text = found.exchanged(usable.beginning.text, noun)
        for attempt in range(TRIES):
            words = (found.word["word"], prompt.verb, prompt.adjective, prompt.feature)
            plot, scene = self._teller.cast(*words, f"{text} {attempt}", self._plots)
            noun_role = next(role for role in plot.noun_roles if scene.roles[role] is found.word)
            if noun_role != "hero" or not usable.children:
                break
        self._teller.recast(scene, noun_role, noun)
        self._cast_people(plot, scene, noun_role, usable)
        places = [other.word for other in usable.nouns if other.word.kind == "place" and other is not found]
        if places and "place" in plot.roles and noun_role != "place":
            self._teller.recast(scene, "place", places[0])
        if found.form == PLURAL:  # every plot is about one alone
            one = dice.choice(self._teller.groups["one_of_them"].phrasings)
            text = f"{text} {one.say(Scene(('thing',), {'thing': noun}, {'thing': scene.genders[noun_role]}, dice))}"
        line = Options()
        line.phrasings = [Phrasing((text,), "", text, roles=frozenset({noun_role}))]
        story = self._teller.say(plot, scene, plain=True, preludes=line)
        return self._names.rename(story, usable.beginning.names, dice) if dice.random() < RENAMED else story

    def _noun(self, found: Found) -> Word:
        nouns, roll = self._teller.words.nouns, self._dice.random()
        if roll < self._made_up:
            return coined(found.word, self._dice.choice(nouns), self._dice) or found.word
        if roll < self._made_up + EXCHANGED:
            alike = [noun for noun in nouns if (noun.kind, noun.gender) == (found.word.kind, found.word.gender)]
            other = self._dice.choice(alike)
            # A form of its own, such as an irregular plural, has no like in the other row.
            return other if found.form in other or found.form == "word" else found.word
        return found.word

    def _cast_people(self, plot: Plot, scene: Scene, noun_role: str, usable: _Usable) -> None:
        free = [role for role, kinds in plot.roles.items() if role != noun_role and "child" in kinds]
        free.sort(key=lambda role: role != "hero")
        taken = {child["word"] for child in usable.children}
        for number, role in enumerate(free):
            if number < len(usable.children):
                child = usable.children[number]
            elif role == "hero" or scene.roles[role]["word"] in taken:
                child = self._another(taken, usable.gender if role == "hero" else None)
            else:
                continue
            self._teller.recast(scene, role, child)
            taken.add(child["word"])

    def _another(self, taken: set[str], gender: str | None) -> Word:
        return self._dice.choice([row for row in self._children if gender in (None, row.gender) and row["word"] not in taken])

    def _usable_ones(self) -> Iterator[_Usable]:
        language, words = self._teller.language, self._teller.words
        nouns, listed, children = Finder(words.nouns, words), Finder(self._children, words), Children(words)
        for beginning in read_beginnings(language):
            rows = [children.row(name, gender) for name, gender in beginning.names.items()]
            rows = rows or [child.word for child in listed.found(beginning.text)]
            found = tuple(_apart_from(nouns.found(beginning.text), beginning.names))
            genders = _genders_shown(beginning.text, language.gendered)
            unclear = not rows and (len(genders) > 1 or "" in genders)
            if None in rows or unclear or not any(noun.word.kind in self._kinds for noun in found):
                continue
            yield _Usable(beginning, tuple(rows), found, genders[0] if genders else None)


def _apart_from(found: Sequence[Found], names: dict[str, str]) -> list[Found]:
    """The nouns that are no part of a name, as कमल, lotus, can be."""
    return [noun for noun in found if not any(noun.word["word"][:3] in name for name in names)]


def _genders_shown(text: str, gendered: dict[str, list[str]]) -> list[str]:
    said = set(words_of(text))
    return [gender for gender, words in gendered.items() if said & set(words)]
