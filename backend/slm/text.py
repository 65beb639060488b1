"""Token ids to text as it grows: whole graphemes only, and a sense of where a sentence ends."""

import codecs
import unicodedata
from collections.abc import Iterable

import regex
import tokenizers

SENTENCE_ENDS = "।॥.!?…"
_CLOSING = "\"'”’»)\\]"
_SENTENCE_END = regex.compile(rf"[{SENTENCE_ENDS}][{_CLOSING}]*\s*$")
_GRAPHEME = regex.compile(r"\X")
_BYTE_TOKEN = regex.compile(r"<0x([0-9A-Fa-f]{2})>")


def token_bytes(tokenizer: tokenizers.Tokenizer) -> list[bytes]:
    """The bytes that each token id stands for; special tokens stand for none.

    Knows byte-level BPE (ours, GPT-2's, Llama 3's) and SentencePiece's way (a mark for the space, byte fallback).
    """
    vocab = tokenizer.get_vocab(with_added_tokens=True)
    table = [b""] * (max(vocab.values()) + 1)
    byte_level = "ByteLevel" in repr(tokenizer.decoder)
    letters = _byte_letters()
    for token, token_id in vocab.items():
        match = _BYTE_TOKEN.fullmatch(token)
        if byte_level and all(letter in letters for letter in token):
            table[token_id] = bytes(letters[letter] for letter in token)
        elif match and not byte_level:
            table[token_id] = bytes([int(match.group(1), 16)])
        else:
            table[token_id] = token.replace("▁", " ").encode() if not byte_level else token.encode()
    for token_id, added in tokenizer.get_added_tokens_decoder().items():
        table[token_id] = b"" if added.special else added.content.encode()
    return table


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in a byte-level vocabulary (Radford et al. 2019, GPT-2's encoder)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + index): byte for index, byte in enumerate(others)}


class GraphemeStream:
    """Turns token ids into text in NFC; what it gives out never ends inside a grapheme cluster.

    Bytes that are no UTF-8 are dropped, so U+FFFD never appears.
    """

    def __init__(self, table: list[bytes]):
        self._table = table
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self.held = ""  # the last grapheme, which a later id may still change

    def push(self, ids: Iterable[int]) -> str:
        """The text that these ids add and that no later id can change."""
        table, size = self._table, len(self._table)
        pending = self.held + self._decoder.decode(b"".join(table[i] for i in ids if i < size))
        last = 0
        for match in _GRAPHEME.finditer(pending):
            last = match.start()
        self.held = pending[last:]
        return unicodedata.normalize("NFC", pending[:last])

    def flush(self) -> str:
        """The held-back end, once nothing follows. Half a character is dropped."""
        rest, self.held = self.held + self._decoder.decode(b"", final=True), ""
        return unicodedata.normalize("NFC", rest.replace("\ufffd", ""))


def ends_sentence(text: str) -> bool:
    """Whether a text ends at a sentence's end, with every double quote of its last paragraph closed."""
    if not _SENTENCE_END.search(text[-16:]):
        return False
    paragraph = text.rsplit("\n\n", 1)[-1]
    return paragraph.count('"') % 2 == 0 and paragraph.count("“") == paragraph.count("”")
