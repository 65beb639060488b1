"""Prompts: every one a unique choice of noun, verb, adjective and feature, as a function of its index."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.errors import UserError
from backend.languages import load_language
from datagen.templates import COMPLEXITIES, template
from datagen.words import load_words

_ROUNDS = 6
_ID = re.compile(r"([a-z_]+)-([0-9+]+)-(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt; `id` is `language-complexity-seed-index`, and names it for ever while the word lists stay."""

    id: str
    language: str
    complexity: str
    noun: str
    verb: str
    adjective: str
    feature: str
    text: str


class WordSpace:
    """A keyed permutation of all N = nouns x verbs x adjectives x features choices.

    An alternating Feistel network over Z_a x Z_b (a = nouns x features, b = verbs x adjectives), which permutes
    0..N-1 exactly, without cycle walking, in O(1) memory (Black and Rogaway 2002, "Ciphers with arbitrary finite
    domains", the generalised Feistel construction).
    """

    def __init__(self, nouns: int, verbs: int, adjectives: int, features: int, seed: int):
        self.verbs, self.features = verbs, features
        self.left, self.right = nouns * features, verbs * adjectives
        keys = np.random.SeedSequence(seed).generate_state(2 * _ROUNDS, np.uint64)
        self.keys = [(int(keys[2 * i]), int(keys[2 * i + 1])) for i in range(_ROUNDS)]

    def __len__(self) -> int:
        return self.left * self.right

    def choose(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Positions of (noun, verb, adjective, feature) for an array of indices in 0..N-1."""
        x, y = np.divmod(indices.astype(np.uint64), np.uint64(self.right))
        for left_key, right_key in self.keys:
            x = (x + _mix(y, left_key) % np.uint64(self.left)) % np.uint64(self.left)
            y = (y + _mix(x, right_key) % np.uint64(self.right)) % np.uint64(self.right)
        noun, feature = np.divmod(x, np.uint64(self.features))
        adjective, verb = np.divmod(y, np.uint64(self.verbs))
        return noun, verb, adjective, feature

    def index(self, noun: int, verb: int, adjective: int, feature: int) -> int:
        """The index of one choice: the inverse of `choose`."""
        x = np.array([noun * self.features + feature], np.uint64)
        y = np.array([adjective * self.verbs + verb], np.uint64)
        left, right = np.uint64(self.left), np.uint64(self.right)
        for left_key, right_key in reversed(self.keys):
            y = (y + right - _mix(x, right_key) % right) % right
            x = (x + left - _mix(y, left_key) % left) % left
        return int(x[0]) * self.right + int(y[0])


def _mix(values: np.ndarray, key: int) -> np.ndarray:
    """SplitMix64's finaliser over value + key (Steele et al. 2014), modulo 2**64."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(key)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


class Prompts:
    """All prompts of (language, complexity, seed), by index and by id."""

    def __init__(self, language: str, complexity: str = "2+", seed: int = 0):
        if complexity not in COMPLEXITIES:
            raise UserError(f"There is no complexity '{complexity}'; choose one of {', '.join(COMPLEXITIES)}.")
        if not 0 <= seed < 2**63:
            raise UserError(f"The seed {seed} is {'negative' if seed < 0 else 'too large'}; give one from 0 to {2**63 - 1}.")
        self.language, self.complexity, self.seed = language, complexity, seed
        words = load_words(language)
        self._lists = tuple(
            [word["word"] for word in group] for group in (words.nouns, words.verbs, words.adjectives, words.features)
        )
        self._template = template(load_language(language), complexity)
        self.space = WordSpace(*map(len, self._lists), seed)

    def __len__(self) -> int:
        return len(self.space)

    def __getitem__(self, index: int) -> Prompt:
        if not 0 <= index < len(self):
            raise UserError(f"{self.language} has {len(self)} prompts a complexity and seed; there is no index {index}.")
        return next(self._prompts(np.array([index])))

    def range(self, start: int, stop: int, step: int = 1) -> Iterator[Prompt]:
        """The prompts start, start + step, ... below stop, a few thousand at a time in memory."""
        if stop > len(self):
            raise UserError(
                f"{self.language} has {len(self)} prompts a complexity and seed, not {stop}; "
                "lower --count, use a second seed, or add words."
            )
        for first in range(start, stop, 8192 * step):
            yield from self._prompts(np.arange(first, min(stop, first + 8192 * step), step))

    def at(self, indices: Sequence[int]) -> Iterator[Prompt]:
        """The prompts of these indices, each below the number of prompts."""
        yield from self._prompts(np.asarray(indices, np.int64))

    def id(self, index: int) -> str:
        """The id of the prompt of an index, without making the prompt."""
        return f"{self.language}-{self.complexity}-{self.seed}-{index}"

    def shard(self, count: int, shard: int = 0, shards: int = 1) -> Iterator[Prompt]:
        """Of the first `count` prompts those whose index is `shard` modulo `shards`."""
        return self.range(shard, count, shards)

    def index(self, noun: str, verb: str, adjective: str, feature: str) -> int:
        """Where a choice of words stands. Raises UserError for a word that is not in the lists."""
        positions = []
        for words, text in zip(self._lists, (noun, verb, adjective, feature), strict=True):
            if text not in words:
                raise UserError(f"'{text}' is not in the word lists of {self.language}; choose a word that is.")
            positions.append(words.index(text))
        return self.space.index(*positions)

    def _prompts(self, indices: np.ndarray) -> Iterator[Prompt]:
        prefix = f"{self.language}-{self.complexity}-{self.seed}-"
        columns = (chosen.tolist() for chosen in self.space.choose(indices))
        nouns, verbs, adjectives, features = self._lists
        for index, noun, verb, adjective, feature in zip(indices.tolist(), *columns, strict=True):
            words = (nouns[noun], verbs[verb], adjectives[adjective], features[feature])
            yield Prompt(f"{prefix}{index}", self.language, self.complexity, *words, self._template(*words))


def prompt_from_id(prompt_id: str) -> Prompt:
    """The prompt that an id names. Raises UserError when it names none."""
    match = _ID.fullmatch(prompt_id)
    if not match:
        raise UserError(f"'{prompt_id}' is not a prompt id; one looks like hindi-2+-0-123.")
    language, complexity, seed, index = match.groups()
    return Prompts(language, complexity, int(seed))[int(index)]
