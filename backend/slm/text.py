"""Tokens to text while they come: never half a character, never half a grapheme cluster, no U+FFFD."""

import regex

from backend.tokenizer import Tokenizer

_CLUSTER = regex.compile(r"\X")


class TextStream:
    """Feeds on token ids and gives back text that is safe to show."""

    def __init__(self, tokenizer: Tokenizer, before: list[int]):
        # A few tokens before give a byte-level or sentencepiece decoder the context for the first space.
        self._tokenizer = tokenizer
        self._ids = list(before[-4:])
        self._prefix, self._read = 0, len(self._ids)
        self._held = ""

    def push(self, ids: list[int]) -> str:
        """The text that these tokens complete; the last cluster is held back, since a mark may still join it."""
        self._ids += ids
        known = self._tokenizer.decode(self._ids[self._prefix : self._read])
        text = self._tokenizer.decode(self._ids[self._prefix :])
        if len(text) <= len(known) or text.endswith("\ufffd"):
            return ""
        self._prefix, self._read = self._read, len(self._ids)
        self._held += text[len(known) :]
        clusters = _CLUSTER.findall(self._held)
        ready = "".join(clusters[:-1])
        self._held = clusters[-1] if clusters else ""
        return ready

    def end(self) -> str:
        """What was held back. Bytes that never became a character are dropped."""
        known = self._tokenizer.decode(self._ids[self._prefix : self._read])
        text = self._tokenizer.decode(self._ids[self._prefix :])[len(known) :].rstrip("\ufffd")
        ready, self._held = self._held + text, ""
        self._prefix = self._read = len(self._ids)
        return ready
