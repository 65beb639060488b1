"""Known damage to good stories, for asking whether a judge sees it.

Each kind takes the sentences after the opening, a strength 0…1 and dice, and returns a worse text. Nothing here knows
a language: replaced words come from other stories of the same language or of another.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from backend.languages import Language
from evaluation.text import function_words, names_of_things, sentences, stem, words

STRENGTHS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Surroundings:
    """What damage may draw from: other stories of the language, words of another, the forms of its own words."""

    other_stories: Sequence[Sequence[str]]
    foreign_words: Sequence[str]
    names: Sequence[str]
    forms: dict[str, list[str]] = field(default_factory=dict)  # word: its other attested forms


def surroundings(stories: Sequence[str], foreign_stories: Sequence[str], language: Language) -> Surroundings:
    """Gather the material from stories of the language and stories of another one."""
    counts = Counter(word for story in stories for word in words(story))
    by_stem = defaultdict(list)
    for word in counts:
        if len(word) > 3:
            by_stem[stem(word)].append(word)
    forms = {
        word: others
        for family in by_stem.values()
        for word in family
        if (others := [other for other in family if other != word and abs(len(other) - len(word)) <= 2])
    }
    aside = function_words(language)
    known = [name for name in names_of_things(language) if counts[name]]
    names = sorted(known) or [word for word, _ in counts.most_common(400) if word not in aside and len(word) > 3]
    foreign = sorted({word for story in foreign_stories for word in words(story) if len(word) > 3})
    return Surroundings([sentences(story, language.sentence_ends) for story in stories], foreign, names, forms)


def shuffled(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """A share of the sentences change places."""
    places = dice.sample(range(len(parts)), max(2, round(strength * len(parts))))
    moved = dict(zip(sorted(places), places, strict=True))
    return " ".join(parts[moved.get(i, i)] for i in range(len(parts)))


def middle_removed(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """A share of the sentences is taken out of the middle; the last one stays."""
    gone = min(len(parts) - 1, max(1, round(strength * 0.9 * len(parts))))
    start = (len(parts) - 1 - gone) // 2
    return " ".join(parts[:start] + parts[start + gone :])


def cut_off(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """The end is missing, from the middle of a sentence on."""
    said = " ".join(parts).split()
    return " ".join(said[: max(1, round((1 - 0.9 * strength) * len(said)) - 1)]).rstrip("।.?!”\"'")


def names_swapped(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """A share of the mentions of persons and things are of somebody or something else."""
    return _replace(parts, strength, dice, set(around.names), lambda word: dice.choice(around.names))


def foreign_words(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """Up to a third of the words are of another language."""
    return _replace(parts, strength / 3, dice, None, lambda word: dice.choice(around.foreign_words))


def wrong_forms(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """A share of the words take another of their forms, so that gender, number, case or tense no longer agree."""
    return _replace(parts, strength, dice, around.forms.keys(), lambda word: dice.choice(around.forms[word]))


def one_repeated(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """One sentence takes the place of a share of the others."""
    start = len(parts) // 3
    count = max(1, round(strength * (len(parts) - start - 1)))
    return " ".join(parts[: start + 1] + [parts[start]] * count + parts[start + 1 + count :])


def other_ending(parts: list[str], strength: float, dice: Random, around: Surroundings) -> str:
    """A share of the story, from the end, is another story's."""
    kept = len(parts) - max(1, round(strength * len(parts)))
    others = [other for other in around.other_stories if not set(other) & set(parts)]
    return " ".join(parts[:kept] + list(dice.choice(others))[kept - len(parts) :])


KINDS: dict[str, Callable[[list[str], float, Random, Surroundings], str]] = {
    "shuffled": shuffled,
    "middle removed": middle_removed,
    "cut off": cut_off,
    "names swapped": names_swapped,
    "foreign words": foreign_words,
    "wrong forms": wrong_forms,
    "one repeated": one_repeated,
    "other ending": other_ending,
}


def _replace(parts: list[str], share: float, dice: Random, among, new: Callable[[str], str]) -> str:
    """Replace a share of the words (of those in `among`), keeping punctuation in place."""
    tokens = " ".join(parts).split()
    cores = [words(token) for token in tokens]
    places = [i for i, core in enumerate(cores) if len(core) == 1 and (among is None or core[0] in among)]
    for i in dice.sample(places, min(len(places), max(1, round(share * len(places))))):
        core = cores[i][0]
        # A capital would hide the word from its lower-case core; scripts without case are not concerned.
        found = tokens[i] if core in tokens[i] else tokens[i].lower()
        tokens[i] = found.replace(core, new(core), 1)
    return " ".join(tokens)
