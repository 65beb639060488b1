"""Stories that hold on to whom and what their opening names: what a small model learns to go on from any opening by."""

import re
from collections.abc import Iterator
from os.path import commonprefix
from random import Random

from datagen.begun import BegunTeller
from datagen.coining import coined
from datagen.openings import described, familiar_words, made_strange, otherwise_written, read_epithets, words_of
from datagen.prompts import Prompt, Prompts
from datagen.storyteller.grammar import PROMPT_ROLES, Scene
from datagen.storyteller.plots import Groups, Options, Plot
from datagen.storyteller.teller import Storyteller, load_storyteller
from datagen.words import Word

TRIES = 6  # castings a prompt, of which the one that carries its opening best is told
DESCRIBED = 0.5  # share of the castings in which a thing or a place has an epithet
UNNAMED = 0.5  # share of the stories whose first sentence names no hero: that of a thing alone, or of "she"
STRANGE = 0.3  # share of the stories whose first sentence holds words that nobody knows
THINGS = ("toy", "object", "clothes", "plant", "nature", "idea", "vehicle", "food")


class CarryingTeller:
    """Tells plain stories of one language, one a prompt, from the `plots` plots that carry best.

    A share `preludes` of them begins with a sentence that the plot does not ask for: from it a model learns to go on
    from any opening. In a share `things` the hero is a thing, a kettle or a cloud: the openings that people write are
    as often about things as about people. In a share `made_up` the prompt's noun is one that nobody knows, which can only
    be copied: it always stands in the first sentence. A share `beginnings` begins with a sentence of `beginnings.tsv`,
    where the language has such a file, and those are not among the shares of the others. Of several castings that one is told whose opening is carried best.
    """

    def __init__(
        self, language: str, plots: int, preludes: float, things: float, made_up: float, seed: int, beginnings: float = 0.0
    ):
        self._teller: Storyteller = load_storyteller(language)
        self._plots = carrying_plots(self._teller, plots)
        self._preludes, self._things, self._made_up = preludes, things, made_up
        self._prompts, self._dice = Prompts(language, seed=seed), Random(seed)
        self._begun, self._beginnings = BegunTeller(self._teller, made_up, self._dice) if beginnings else None, beginnings
        self._heroes = [word for word in self._teller.words.nouns if word.kind in THINGS]
        self._children = [row for row in self._teller.words.characters if row.kind == "child"]
        self._unnamed = _not_naming_the_hero(self._teller.groups)
        self._epithets = read_epithets(self._teller.language)
        self._familiar = familiar_words(self._teller.language)
        ends = re.escape(self._teller.language.sentence_ends)
        self._first_sentence = re.compile(rf"[^{ends}]*[{ends}]+")

    def stories(self) -> Iterator[str]:
        """A story for each of the prompts whose noun has a role in one of the plots."""
        chosen = [plot for plot in self._teller.plots if plot.path.stem in self._plots]
        kinds = {kind for plot in chosen for role in plot.noun_roles for kind in plot.roles[role]}
        for prompt in self._prompts.range(0, len(self._prompts)):
            if self._begun and self._dice.random() < self._beginnings:
                story = self._begun.story(prompt)
                opening = self.first_sentence(story)
                yield otherwise_written(opening, self._teller.language.spellings, self._dice) + story[len(opening) :]
            elif self._teller.words.find("nouns", prompt.noun).kind in kinds:
                yield self._best(prompt, self._dice.random() < self._made_up)

    def first_sentence(self, story: str) -> str:
        """The first sentence with its end, or the whole of a story that never ends one."""
        first = self._first_sentence.match(story)
        return first.group() if first else story

    def _best(self, prompt: Prompt, made_up: bool) -> str:
        best, most, known = "", -1.0, []
        preludes = self._unnamed if self._dice.random() < UNNAMED else None
        prelude = self._dice.random() < self._preludes
        thing = self._dice.random() < self._things
        for attempt in range(TRIES):
            words = (prompt.noun, prompt.verb, prompt.adjective, prompt.feature)
            plot, scene = self._teller.cast(*words, f"{prompt.text} {attempt}", self._plots)
            if preludes:
                # From a thing as hero a model would learn to make two of the one thing that an opening names.
                self._cast_a_hero(plot, scene, self._children)
            elif thing:
                self._cast_a_hero(plot, scene, self._heroes)
            strangers = self._coin(plot, scene) if made_up else []
            cast = [word for role, word in scene.roles.items() if role not in PROMPT_ROLES]
            plainly = self._describe(plot, scene)
            story = self._teller.say(plot, scene, plain=True, prelude=prelude, preludes=preludes)
            opening = self.first_sentence(story)
            story = opening + _said_again(story[len(opening) :], plainly)
            opening = opening.lower()
            # One that the opening does not name would teach a model to make up words itself.
            if any(shared_stem(word).lower() not in opening for word in strangers):
                continue
            carried = self._carried(story, scene)
            if carried > most:
                best, most, known = story, carried, cast
            if most == 1:
                break
        if not best:
            return self._best(prompt, made_up=False)
        return self._as_strangers_begin(best, known)

    def _cast_a_hero(self, plot: Plot, scene: Scene, heroes: list[Word]) -> None:
        taken = {word["word"] for word in scene.roles.values()}
        hero = heroes[int(scene.dice.random() * len(heroes))]
        if "hero" in scene.roles and "hero" not in plot.noun_roles and hero["word"] not in taken:
            self._teller.recast(scene, "hero", hero)

    def _coin(self, plot: Plot, scene: Scene) -> list[Word]:
        made = []
        for role in plot.noun_roles:
            other = self._heroes[int(scene.dice.random() * len(self._heroes))]
            if role in scene.roles and (word := coined(scene.roles[role], other, scene.dice)):
                self._teller.recast(scene, role, word)
                made.append(word)
        return made

    def _describe(self, plot: Plot, scene: Scene) -> dict[str, str]:
        """Give epithets; returns where something is said with an epithet, and how it is said without."""
        plainly = {}
        for role in sorted({"place", *plot.noun_roles} & scene.roles.keys()):
            epithets = self._epithets["place" if scene.roles[role].kind == "place" else "thing"]
            if epithets and scene.dice.random() < DESCRIBED:
                epithet = epithets[int(scene.dice.random() * len(epithets))]
                word = scene.roles[role]
                self._teller.recast(scene, role, described(word, epithet, self._teller.language))
                if word.kind == "place" and "loc" in word:
                    where = scene.roles[role]["loc"]
                    plainly |= {where: word["loc"], where[0].upper() + where[1:]: word["loc"][0].upper() + word["loc"][1:]}
        return plainly

    def _as_strangers_begin(self, story: str, known: list[Word]) -> str:
        """The story with the opening in another spelling, and in a share with words that nobody knows."""
        opening = self.first_sentence(story)
        rest = story[len(opening) :]
        if self._dice.random() < STRANGE:
            stems = {shared_stem(word).lower() for word in known}
            opening = made_strange(opening, self._familiar | set(words_of(rest)), stems, self._heroes, self._dice)
        return otherwise_written(opening, self._teller.language.spellings, self._dice) + rest

    def _carried(self, story: str, scene: Scene) -> float:
        """Share of those whom the first sentence names that the rest of the story names again."""
        opening = self.first_sentence(story)
        rest = story[len(opening) :]
        stems = {shared_stem(word).lower() for role, word in scene.roles.items() if role not in PROMPT_ROLES}
        named = [stem for stem in stems if stem in opening.lower()]
        return sum(stem in rest.lower() for stem in named) / len(named) if named else 0.0


def _said_again(rest: str, plainly: dict[str, str]) -> str:
    """The rest of a story in which a place has its epithet no more."""
    for described_place, place in plainly.items():
        rest = rest.replace(described_place, place)
    return rest


def _not_naming_the_hero(groups: Groups) -> Options | None:
    """The preludes that speak of no hero, and those of the group @prelude_unnamed; None where there are none."""
    options = Options()
    options.phrasings = [
        phrasing
        for name in ("prelude", "prelude_unnamed")
        for phrasing in (groups[name].phrasings if name in groups else ())
        if name == "prelude_unnamed" or "hero" not in phrasing.roles
    ]
    return options if options.phrasings else None


def carrying_plots(teller: Storyteller, count: int) -> set[str]:
    """The `count` plots whose paragraphs name the hero and the prompt's noun most steadily to the end, by file name.

    Those that go on from any opening come before all others; then the steadiest of each kind of noun, so that a few
    plots still tell of every kind of thing.
    """
    steadiness: dict[str, list[float]] = {plot.path.stem: [] for plot in teller.plots}
    for prompt in Prompts(teller.language.name).range(0, 40 * len(teller.plots)):
        plot, scene = teller.cast(prompt.noun, prompt.verb, prompt.adjective, prompt.feature, prompt.text)
        later = teller.say(plot, scene, plain=True).split("\n\n")[1:]
        stems = {shared_stem(scene.roles[role]) for role in ("hero", *plot.noun_roles) if role in scene.roles}
        steadiness[plot.path.stem].append(
            sum(stem in part for part in later for stem in stems) / max(1, len(later) * len(stems))
        )
    means = {stem: sum(values) / len(values) for stem, values in steadiness.items() if values}
    ranked = sorted(means, key=means.get, reverse=True)
    kinds = {plot.path.stem: {kind for role in plot.noun_roles for kind in plot.roles[role]} for plot in teller.plots}
    first = [plot.path.stem for plot in teller.plots if plot.opens_as_any_story]
    covered = set().union(*(kinds[stem] for stem in first))
    for stem in ranked:
        if stem not in first and kinds[stem] - covered:
            first.append(stem)
            covered |= kinds[stem]
    return set([*first, *(stem for stem in ranked if stem not in first)][:count])


def shared_stem(word: Word) -> str:
    """What all forms of a word begin with, or the word where they share less than two characters."""
    shared = commonprefix(  # noqa: RUF071 (letters, not paths)
        [word["word"], *(word[form] for form in ("obl", "gen", "loc") if form in word)]
    )
    return shared if len(shared) > 1 else word["word"]
