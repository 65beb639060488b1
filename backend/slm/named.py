"""Whom and what an opening names: how a story keeps to them.

The tokens that begin such a word are likelier until the story has said it, as speech recognisers favour the words of a context
(contextual biasing; Zhao et al. 2019), and less likely where its sentence has said it, or somebody would speak to herself. A
word so begun is likelier to go on as in the opening.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from backend.tokenizer import Tokenizer

# Added to logits: of what begins a word for a person, an animal or a name, of what begins another, of what it then goes on with,
# of what the sentence has said, and of the mark that an opening lacks. Higher ones bring in more of the openings' other words as
# if they were somebody.
_LIVING_BONUS, _THING_BONUS, _REST_BONUS, AGAIN_BONUS, STOP_BONUS = 6.0, 4.5, 6.0, -4.0, 3.0
_MOST_WORDS = 64  # the bits of a number, in `native/spelling.c`
_SENTENCE_ENDS = ".!?\n।"
_OPENS = " \n(-–—‘“"  # what a word may stand right behind


class Favoured(NamedTuple):
    """A token that begins a named word, or goes on with it."""

    token: int
    stem: int  # its place among the stems
    place: int  # the bytes of the stem that must stand already; -1 for a token that brings its own space along
    bonus: float


class Named(NamedTuple):
    """What an opening names."""

    stems: tuple[bytes, ...]  # how the words begin, in each of their forms
    words: tuple[int, ...]  # the word that each stem is of
    favoured: tuple[Favoured, ...]  # in the order of their tokens
    stops: tuple[int, ...]  # the tokens of full stops

    def said_by(self, text: bytes) -> set[int]:
        """The words that a word is a form of."""
        return {word for stem, word in zip(self.stems, self.words, strict=True) if text.startswith(stem)}


class Thing(NamedTuple):
    """What a story can be about."""

    word: str  # its first form
    is_living: bool


class Said(NamedTuple):
    """A word of an opening, without its ending, and whether it is the first of a clause."""

    word: str
    bare: str
    begins_clause: bool


class Names:
    """Finds them in openings."""

    def __init__(self, tokenizer: Tokenizer, tokens: Sequence[bytes], things: Mapping[str, Thing], marks: Sequence[str], known: frozenset[bytes]):
        """`things`: every form of the words that a story can be about, and the word; `marks`: what follows names or is joined to them."""
        self._tokenizer, self._tokens, self._things, self._marks, self._known = tokenizer, tokens, things, frozenset(marks), known
        self._stops = tuple(token for token, text in enumerate(tokens) if text in (b".", "।".encode()))

    def of(self, said: Sequence[Said]) -> Named:
        """Those among the words of an opening."""
        stems, words, favoured, done = [], [], [], set()
        for place, (word, bare, _) in enumerate(said):
            thing = next((self._things[form] for form in (word, bare, word.lower()) if form in self._things), None)
            if not thing and not self._is_name(said, place):
                continue
            main = thing.word if thing else word if word[0].isupper() else bare
            if main in done or len(done) == _MOST_WORDS:
                continue
            favoured += self._favoured(main, len(stems), _THING_BONUS if thing and not thing.is_living else _LIVING_BONUS)
            forms = list(dict.fromkeys([main, main[0].upper() + main[1:], bare]))
            stems += forms
            words += [len(done)] * len(forms)
            done.add(main)
        return Named(tuple(stem.encode() for stem in stems), tuple(words), tuple(sorted(set(favoured))), self._stops)

    def _is_name(self, said: Sequence[Said], place: int) -> bool:
        word, bare, begins_clause = said[place]
        if word[0].islower() or self._knows(word) or self._knows(bare):
            return False
        if word[0].isupper():  # as a sentence's first word may have it, too: Stacking, of stack
            return not any(len(word) - cut > 3 and self._knows(word[:-cut].lower()) for cut in (1, 2, 3))
        following = said[place + 1].word if place + 1 < len(said) else ""
        return following in self._marks or word.removeprefix(bare) in self._marks if self._marks else begins_clause

    def _knows(self, word: str) -> bool:
        return word.encode() in self._known

    def _favoured(self, word: str, stem: int, bonus: float) -> list[Favoured]:
        found = []
        for text in (f" {word}", word):
            at = b""
            for token in self._tokenizer.encode(text):
                piece = self._tokens[token] if token < len(self._tokens) else b""
                if not word.encode().startswith(at + piece.strip()):  # the tokenizer spells it otherwise
                    break
                if at:
                    found.append(Favoured(token, stem, len(at), _REST_BONUS))
                elif piece.strip():
                    found.append(Favoured(token, stem, -1 if piece[:1] == b" " else 0, bonus))
                at += piece.strip()
        return found


class Telling:
    """Which of them a story has said: what `native/spelling.c` does, for machines without a C compiler."""

    def __init__(self, named: Named):
        self._named = named
        self._begun, self._said, self._in_sentence = set(), set(), set()
        self._from_opening = self._opens = False

    def begin(self, last: bytes) -> None:
        """The opening is over, perhaps within a word."""
        self._begun, self._said, self._from_opening = set(), set(), bool(last)

    def add(self, token: int, last: bytes, ended: Sequence[tuple[str, str]]) -> None:
        """A token has come behind the `last` word, with which words have ended, each with the character after it."""
        begun = {self._named.words[each.stem] for each in self._at_hand(last) if each.token == token and each.place <= 0}
        # Or a token that begins another word, too, would be favoured for ever.
        self._said |= self._begun & begun
        self._begun |= begun
        for word, after in ended:
            said = self._named.said_by(word.encode())
            self._in_sentence = set() if after in _SENTENCE_ENDS else self._in_sentence | said
            if not self._from_opening:
                self._said |= said
        if ended:
            self._from_opening, self._opens = False, ended[-1][1] in _OPENS

    def favour(self, logits: np.ndarray, last: bytes) -> None:
        """Change the logits of what comes after the `last` word, as far as that has come."""
        if self._from_opening:
            logits[list(self._named.stops)] += STOP_BONUS
        now = self._named.said_by(last)
        said, in_sentence = self._said | now, self._in_sentence | now
        bonuses: dict[int, list[float]] = {}
        for each in self._at_hand(last):
            word = self._named.words[each.stem]
            if each.place > 0 or word not in said:
                bonuses.setdefault(each.token, []).append(each.bonus)
            elif word in in_sentence:
                bonuses.setdefault(each.token, []).append(AGAIN_BONUS)
        for token, several in bonuses.items():  # names that begin alike count once
            logits[token] += max(several)

    def _at_hand(self, last: bytes) -> Iterator[Favoured]:
        for each in self._named.favoured:
            fits = each.place < 0 or self._named.stems[each.stem][: each.place] == last
            if fits and (last or self._opens == (each.place == 0)):
                yield each
