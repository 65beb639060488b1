"""Bits per byte of a reference model: right by definition, whatever the batch, and lower for what the model knows."""

import json
import math

import pytest
from click.testing import CliRunner

from backend.errors import UserError
from evaluation.__main__ import evaluation
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


def test_models_are_compared_on_stories_held_out(tiny_model, tmp_path):
    stories = [" ".join(told("hindi", 1)[0].split()[i : i + 40]) for i in range(0, 160, 40)]
    for name, change in (("same", str), ("jumbled", lambda story: " ".join(reversed(story.split())))):
        rows = (json.dumps({"story": change(story)}, ensure_ascii=False) + "\n" for story in stories)
        (tmp_path / f"{name}.jsonl").write_text("".join(rows), "utf-8")
    arguments = ["bits", str(tiny_model), "--out", str(tmp_path / "bits.json")]
    arguments += [part for name in ("same", "jumbled") for part in ("--dataset", f"hindi={tmp_path / name}.jsonl")]
    done = CliRunner().invoke(evaluation, arguments, catch_exceptions=False)
    same, jumbled = json.loads((tmp_path / "bits.json").read_text("utf-8"))
    each = bits_per_byte(tiny_model, stories)
    sizes = [len(story.encode()) for story in stories]
    assert same["bits_per_byte"] == pytest.approx(sum(b * s for b, s in zip(each, sizes, strict=True)) / sum(sizes), rel=1e-3)
    assert same["low"] <= same["bits_per_byte"] <= same["high"] and same["bits_per_byte"] < jumbled["bits_per_byte"]
    assert f"| {same['bits_per_byte']:.4f} (" in done.output


def test_a_file_without_stories_is_told(tiny_model, tmp_path):
    (tmp_path / "none.jsonl").write_text('{"text": "x"}\n', "utf-8")
    done = CliRunner().invoke(evaluation, ["bits", str(tiny_model), "--dataset", f"hindi={tmp_path / 'none.jsonl'}"])
    assert isinstance(done.exception, UserError) and "--column" in str(done.exception)
