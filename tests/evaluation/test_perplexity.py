"""Bits per byte of a reference model: right by definition, whatever the batch, and lower for what the model knows."""

import math

import pytest

from evaluation.perplexity import bits_per_byte
from tests.evaluation.stories import told


def test_what_it_was_trained_on_surprises_it_less(tiny_model):
    known, jumbled = told("hindi", 1)[0][:200], " ".join(reversed(told("hindi", 1)[0][:200].split()))
    first, second = bits_per_byte(tiny_model, [known, jumbled])
    assert 0 < first < second


def test_company_in_the_batch_changes_nothing(tiny_model):
    texts = [told("hindi", 30)[i][: 40 * (i + 1)] for i in range(5)]
    together = bits_per_byte(tiny_model, texts)
    assert together == pytest.approx([bits_per_byte(tiny_model, [text])[0] for text in texts], rel=1e-4)


def test_what_lies_beyond_the_context_counts_too(tiny_model):
    whole = "\n".join(told("hindi", 4))
    jumbled = whole[:1500] + "".join(reversed(whole[1500:]))
    first, second = bits_per_byte(tiny_model, [whole, jumbled])
    assert first < second


def test_an_empty_text_has_no_bits(tiny_model):
    assert math.isnan(bits_per_byte(tiny_model, ["", "एक"])[0])
