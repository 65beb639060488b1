"""Tells a story: casts a plot's roles, then says its sentences one by one."""

import functools
from collections.abc import Container
from random import Random

from backend.errors import UserError
from backend.languages import load_language
from datagen.storyteller.grammar import Phrasing, Scene
from datagen.storyteller.plots import Options, Plot, read_language_plots
from datagen.words import Word, load_words

# Groups (verb, verb_pair, …) that are silent once a sentence has said the word.
_SAID_ONCE = ("verb", "adjective")
# Those that are there for a prompt's words, and without a prompt say something that does not belong to the story.
_OF_PROMPT = (*_SAID_ONCE, "feature")
_PRELUDE_ROLES = ("hero", "friend", "elder", "place")


class Storyteller:
    """Builds stories of one language from its plots. The same words and seed give the same story."""

    def __init__(self, language: str):
        self.language = load_language(language)
        self.words = load_words(language)
        self.plots, self.groups = read_language_plots(self.language)
        if not self.plots:
            raise UserError(f"{self.language.folder}/plots holds no plot, so there is no offline storyteller in {language}.")
        self._pools: dict[str, list[Word]] = {}
        for word in (*self.words.characters, *self.words.nouns):
            self._pools.setdefault(word.kind, []).append(word)
        self._by_kind: dict[str, list[tuple[Plot, str]]] = {}
        for plot in self.plots:
            for role in plot.noun_roles:
                for kind in plot.roles[role]:
                    self._by_kind.setdefault(kind, []).append((plot, role))
        self._gender_index = {gender: index for index, gender in enumerate(self.language.genders)}

    def tell(self, noun: str, verb: str, adjective: str, feature: str, seed: int | str) -> str:
        """A story with these words of the language's lists; paragraphs are separated by an empty line."""
        return self.say(*self.cast(noun, verb, adjective, feature, seed))

    def cast(
        self, noun: str, verb: str, adjective: str, feature: str, seed: int | str, plots: Container[str] | None = None
    ) -> tuple[Plot, Scene]:
        """A plot, if need be one of `plots` (file names without ending), and who plays its roles.

        Raises UserError when no plot has a role for the noun.
        """
        find = self.words.find
        prompt_words = {"verb": find("verbs", verb), "adjective": find("adjectives", adjective)}
        prompt_words["feature"] = find("features", feature)
        dice = Random(seed)
        return self._cast(find("nouns", noun), prompt_words, dice, plots)

    def _cast(
        self, noun: Word, prompt_words: dict[str, Word], dice: Random, wanted: Container[str] | None
    ) -> tuple[Plot, Scene]:
        plots = self._by_kind.get(noun.kind)
        if plots and wanted is not None:
            plots = [(plot, role) for plot, role in plots if plot.path.stem in wanted]
        if not plots:
            raise UserError(
                f"No plot under {self.language.folder}/plots has a role* for a noun of kind '{noun.kind}' "
                f"({noun.path}:{noun.line}); add one."
            )
        plot, noun_role = plots[int(dice.random() * len(plots))]
        roles = {noun_role: noun}
        taken = {noun["word"]}
        for role, kinds in plot.roles.items():
            if role == noun_role:
                continue
            kind = kinds[int(dice.random() * len(kinds))]
            pool = self._pools.get(kind)
            if not pool:
                raise UserError(f"{plot.path} asks for a '{kind}' as {role}, but no word list has one; add one.")
            word = pool[int(dice.random() * len(pool))]
            while word["word"] in taken and len(taken) < len(pool):
                word = pool[int(dice.random() * len(pool))]
            roles[role] = word
            taken.add(word["word"])
        roles |= prompt_words
        genders = {role: self._gender_index.get(word.gender, 0) for role, word in roles.items()}
        return plot, Scene(tuple(roles), roles, genders, dice)

    def recast(self, scene: Scene, role: str, word: Word) -> None:
        """Give a role of a scene to another word."""
        scene.roles[role] = word
        scene.genders[role] = self._gender_index.get(word.gender, 0)

    def say(
        self, plot: Plot, scene: Scene, plain: bool = False, prelude: bool = False, preludes: Options | None = None
    ) -> str:
        """The story of a cast plot.

        `plain` leaves out the lines that only bring in the prompt's verb, adjective or feature. A `prelude` is a sentence of
        any story, which comes before the plot's own first and brings in those of whom it speaks; `preludes` are others
        than the language's shared ones, which need not speak of the hero.
        """
        paragraphs = []
        said: set[str] = set()
        silent = _OF_PROMPT if plain else ()
        used: set[Phrasing] = set()
        first = self._prelude(plot, scene, preludes) if prelude and not plot.opens_as_any_story else ""
        for paragraph in plot.paragraphs:
            sentences = []
            for options in paragraph:
                if options.optional and scene.dice.random() < 0.5:
                    continue
                phrasing = _choose(options, scene, used)
                while phrasing is not None and phrasing.calls is not None:
                    word = phrasing.calls.partition("_")[0]
                    if word in silent or (word in _SAID_ONCE and word in said):
                        phrasing = None
                    else:
                        about = plot.spoken_of if phrasing.calls == "prelude" else frozenset()
                        group = self._group(plot, phrasing.calls)
                        if preludes and group is self.groups.get("prelude"):
                            group, about = preludes, about - {"hero"}
                        phrasing = _choose(group, scene, used, about)
                if phrasing is None:
                    continue
                used.add(phrasing)
                said |= phrasing.roles
                sentences.append(_capitalise(phrasing.say(scene)))
            if first:
                sentences.insert(0, first)
                first = ""
            if sentences:
                paragraphs.append(" ".join(sentences))
        return "\n\n".join(paragraphs)

    def _prelude(self, plot: Plot, scene: Scene, preludes: Options | None) -> str:
        """A line of `preludes`, else of the group @prelude, nothing in a language that has none; its roles are known from then on.

        Preludes speak of hero, friend, place and thing; where a plot has no role `thing`, its noun stands in,
        unless it is a person, whom some languages speak of in other words.
        """
        stand_in = next((role for role in plot.noun_roles if role not in _PRELUDE_ROLES), None)
        if stand_in and scene.roles[stand_in].kind == "person":
            stand_in = None
        shown = scene
        if "thing" not in scene.roles and stand_in:
            roles = scene.roles | {"thing": scene.roles[stand_in]}
            shown = Scene(tuple(roles), roles, scene.genders | {"thing": scene.genders[stand_in]}, scene.dice)
        options = preludes or self.groups.get("prelude")
        phrasing = _choose(options, shown, set()) if options else None
        if phrasing is None:
            return ""
        said = _capitalise(phrasing.say(shown))
        for role in phrasing.roles:
            own = role if role in scene.roles else stand_in
            scene.roles[own] = scene.roles[own].introduced()
        return said

    def _group(self, plot: Plot, name: str) -> Options:
        group = plot.groups.get(name) or self.groups.get(name)
        if group is None:
            raise UserError(f"{plot.path} calls @{name}, but neither it nor phrases.txt has that group; add it.")
        return group


def _choose(
    options: Options, scene: Scene, used: set[Phrasing], speaking_of: frozenset[str] = frozenset()
) -> Phrasing | None:
    """One fitting phrasing, if possible one that this story has not used."""
    fitting = options.fitting(scene, speaking_of)
    if not fitting:
        return None
    for _ in range(8):
        phrasing = fitting[int(scene.dice.random() * len(fitting))]
        if phrasing not in used:
            break
    return phrasing


def _capitalise(sentence: str) -> str:
    """A capital first letter, also after an opening quote; scripts without case stay as they are."""
    for position, character in enumerate(sentence):
        if character.isalpha():
            upper = character.upper()
            return sentence if upper == character else sentence[:position] + upper + sentence[position + 1 :]
    return sentence


@functools.cache
def load_storyteller(language: str) -> Storyteller:
    """The storyteller of a language, read once a process."""
    return Storyteller(language)
