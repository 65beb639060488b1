"""Tokens are shown as they are, but no letter is torn."""

import random

import pytest
import regex

from backend.languages import language_names, load_language
from backend.slm.reading import TokenReading
from backend.slm.text import token_bytes
from backend.tokenizer import train_tokenizer
from spaces.labels import labels
from spaces.token_pieces import pieces
from spaces.token_view import tokens_html

WORDS = labels("english")


@pytest.fixture(scope="module")
def tokenizer():
    texts = [opening for name in language_names() for opening in load_language(name).openings()]
    return train_tokenizer(texts, 320)


def readings(ids):
    return [TokenReading(0, None, None, []), *(TokenReading(i, -1.0, 3, [(i, -1.0), (1, -2.0)]) for i in ids)]


@pytest.mark.parametrize("name", language_names())
def test_pieces_join_to_the_text_and_end_where_letters_end(tokenizer, name):
    table = token_bytes(tokenizer.backend)
    for text in load_language(name).openings()[:20]:
        ids = tokenizer.encode(text)
        found = pieces(readings(ids), table, len(ids) + 1)
        assert "".join(piece.text for piece in found) == text
        assert [token.id for piece in found for token in piece.tokens] == ids
        clusters = regex.findall(r"\X", text)
        assert [cluster for piece in found for cluster in regex.findall(r"\X", piece.text)] == clusters
        assert not any(piece.told for piece in found)


def test_the_model_s_own_tokens_begin_a_piece_of_their_own(tokenizer):
    table, given, told = token_bytes(tokenizer.backend), tokenizer.encode("एक दिन"), tokenizer.encode(" था।")
    found = pieces(readings([*given, *told]), table, len(given) + 1)
    assert "".join(piece.text for piece in found if piece.told) == " था।"


def test_half_a_letter_at_the_end_and_markup_do_no_harm(tokenizer):
    table = token_bytes(tokenizer.backend)
    found = pieces(readings([*tokenizer.encode("<u>क"), tokenizer.encode("क")[0], 1]), table, 1)
    shown = tokens_html(found, table, "hi", WORDS)
    assert "<u>" not in shown
    assert "\ufffd" not in shown
    assert "⟨eos⟩" in shown


def test_noise_does_not_glue_everything_together(tokenizer):
    table, dice = token_bytes(tokenizer.backend), random.Random(0)
    noise = [dice.randrange(2, 320) for _ in range(200)]
    assert len(pieces(readings(noise), table, 1)) > 60
