"""Streaming shows whole letters only, for every way of cutting."""

import unicodedata

import pytest
import regex
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from backend.languages import language_names, load_language
from backend.slm.text import GraphemeStream, ends_sentence, token_bytes
from backend.tokenizer import train_tokenizer

HARD = "क्षत्रिय ज़्यादा स्त्री কৃষ্ণ ক্ষুদ্র র‍্যাব 👩‍👩‍👧 e\u0301t\u00e9 नमस्ते।"


@pytest.mark.parametrize("size", [260, 400])
def test_pieces_are_whole_graphemes_and_join_to_the_text(size):
    texts = [opening for name in language_names() for opening in load_language(name).openings()] + [HARD]
    tokenizer = train_tokenizer(texts, size)
    table = token_bytes(tokenizer.backend)
    for text in texts:
        text = unicodedata.normalize("NFC", text)
        stream = GraphemeStream(table)
        pieces = [stream.push([token]) for token in tokenizer.encode(text)] + [stream.flush()]
        assert "".join(pieces) == text
        assert regex.findall(r"\X", text) == [cluster for piece in pieces for cluster in regex.findall(r"\X", piece)]


def test_broken_bytes_never_show():
    tokenizer = train_tokenizer([HARD], 260)
    stream = GraphemeStream(token_bytes(tokenizer.backend))
    ids = tokenizer.encode("कख")
    text = stream.push(ids[:2]) + stream.push(ids[4:5]) + stream.push(tokenizer.encode("ab")) + stream.flush()
    assert "\ufffd" not in text
    assert text.endswith("ab")


def test_sentencepiece_vocabularies_give_spaces_and_bytes():
    tokenizer = Tokenizer(models.BPE({"x": 0, "▁कथा": 1, "<0xE0>": 2, "<0xA4>": 3, "<0x95>": 4}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    stream = GraphemeStream(token_bytes(tokenizer))
    assert stream.push([1]) + stream.push([2, 3, 4]) + stream.flush() == " कथाक"


def test_special_tokens_have_no_text():
    tokenizer = train_tokenizer([HARD], 300)
    table = token_bytes(tokenizer.backend)
    assert table[tokenizer.bos_id] == table[tokenizer.eos_id] == b""


@pytest.mark.parametrize(
    ("text", "ended"),
    [("वह घर गया।", True), ('"Yes!"', True), ('"Yes!', False), ("He went", False), ("শেষ।", True), ("कहा, “चलो।”", True), ("", False)],
)
def test_sentence_ends(text, ended):
    assert ends_sentence(text) is ended
