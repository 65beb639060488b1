"""Tokenizer measures against cases that can be worked out by hand, and the published ones."""

import base64
import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer, models, pre_tokenizers

from backend.errors import UserError
from backend.tokenizer import train_tokenizer
from evaluation.__main__ import evaluation
from evaluation.foreign_tokenizers import load_any
from evaluation.tokenizer_measures import measure_tokenizer, morph_score, read_morphology, renyi_entropy
from evaluation.tokenizer_table import as_markdown
from tests.evaluation.stories import told

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def by_hand():
    """Knows a few pieces of words and their single letters."""
    pieces = ["▁a", "▁खेल", "ना", "▁खे", "लना", "▁", "▁घर", "▁घरों", "ों", *"खेलनाघरोंa"]
    scores = [(piece, -1.0 - (len(piece) == 1)) for piece in dict.fromkeys(pieces)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=pieces.index("▁")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def test_a_cut_at_the_morphemes_is_a_hit_and_a_whole_word_does_not_count(by_hand):
    assert by_hand.encode("a खेलना").tokens in (["▁a", "▁खेल", "ना"], ["▁a", "▁खे", "लना"])
    cut = len(by_hand.encode("a खेलना").tokens[1]) - 1
    word = "खेलना"
    assert morph_score(by_hand, [(word, word[:cut], word[cut:])]) == (1.0, 1)
    assert morph_score(by_hand, [(word, word[:1], word[1:])]) == (0.0, 1)
    assert morph_score(by_hand, [("घरों", "घर", "ों")]) == (None, 0)
    assert morph_score(by_hand, [(word, word[:cut], "और")]) == (0.0, 1)


def test_renyi_entropy_as_the_published_scorer_computes_it():
    # What tokenization-scorer 1.1.8 prints for the two texts of its own page: the efficiency, which is the entropy
    # over that of a flat distribution on as many pieces.
    assert renyi_entropy([3, 2, 1, 1]) / np.log2(4) == pytest.approx(0.8265064834225245)
    assert renyi_entropy([3, 3, 2, 2, 1]) / np.log2(5) == pytest.approx(0.9204840242168808)
    assert renyi_entropy([1] * 16) == pytest.approx(4)
    assert renyi_entropy([5]) == pytest.approx(0)


def test_more_vocabulary_cuts_fewer_words():
    stories = told("hindi", 150)
    small, large = (
        measure_tokenizer(train_tokenizer(stories, size).backend, str(size), stories, "hindi") for size in (400, 3000)
    )
    assert small.fertility > large.fertility >= 1
    assert small.continued_words > large.continued_words
    assert small.characters_per_token < large.characters_per_token
    assert small.round_trip == large.round_trip == 1


@pytest.mark.parametrize("text", ["", "12 345, 6789.\n"])
def test_texts_without_words_are_told_of(by_hand, text):
    with pytest.raises(UserError, match="hold no words"):
        measure_tokenizer(by_hand, "pieces", [text], "hindi")


def test_the_command_writes_table_and_plot(tmp_path):
    (tmp_path / "s.jsonl").write_text(
        "".join(json.dumps({"story": s}, ensure_ascii=False) + "\n" for s in told("bangla", 60)), "utf-8"
    )
    folder = tmp_path / "own"
    train_tokenizer(told("bangla", 60), 600).save(folder)
    arguments = [
        "tokenizers",
        str(folder),
        "--train",
        "500",
        "--dataset",
        f"bangla={tmp_path / 's.jsonl'}",
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(evaluation, arguments, catch_exceptions=False)
    assert done.exit_code == 0 and "own BPE 500" in done.output and "Sarvam, in the paper" in done.output
    assert len(json.loads((tmp_path / "out" / "tokenizers.json").read_text("utf-8"))) == 2
    assert "<svg" in (tmp_path / "out" / "tokenizers.svg").read_text("utf-8")


def test_tokenizers_go_by_names_of_one_s_own(tmp_path):
    (tmp_path / "s.jsonl").write_text("".join(json.dumps({"story": s}) + "\n" for s in told("english", 20)), "utf-8")
    for name in ("a=b", "other"):
        train_tokenizer(told("english", 20), 400).save(tmp_path / name)
    dataset = f"english={tmp_path / 's.jsonl'}"

    def run(*names):
        return CliRunner().invoke(evaluation, ["tokenizers", *names, "--dataset", dataset])

    done = run(f"Mine={tmp_path / 'a=b'}", str(tmp_path / "a=b"))
    assert "| english | Mine | 400 |" in done.output and f"| english | {tmp_path / 'a=b'} | 400 |" in done.output
    twice = run(f"Mine={tmp_path / 'a=b'}", f"Mine={tmp_path / 'other'}")
    assert isinstance(twice.exception, UserError) and "same name" in str(twice.exception)


def test_bits_of_several_seeds_stand_with_their_spread(by_hand):
    row = measure_tokenizer(by_hand, "mine", ["घर"], "hindi")
    assert "| 1.117 ± 0.004 |" in as_markdown([replace(row, trained_bits_per_byte=1.117, trained_spread=0.0041)])
    assert "| 1.117 |" in as_markdown([replace(row, trained_bits_per_byte=1.117)])


def test_a_tekken_file_joins_bytes_by_rank(tmp_path):
    pieces = [bytes([number]) for number in range(256)] + [b"th", b"the", "न".encode()[:2], "न".encode(), "नद".encode()]
    vocab = [{"rank": rank, "token_bytes": base64.b64encode(piece).decode(), "token_str": None} for rank, piece in enumerate(pieces)]
    config = {"pattern": r"\s*\S+|\s+", "default_vocab_size": len(pieces) - 1 + 10, "default_num_special_tokens": 10}
    path = tmp_path / "tekken_1.json"
    path.write_text(json.dumps({"config": config, "vocab": vocab}), "utf-8")
    tokenizer = load_any(str(path))
    text = "the नदी"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    # Of the list only as many count as the vocabulary is said to have: the last piece is beyond it.
    assert [end - start for start, end in tokenizer.encode("the").offsets] == [3]
    assert tokenizer.encode("नद").ids == [259, 258, 0xA6]


@pytest.mark.parametrize("name", ["tekken.json", "tokenizer.json", "tokenizer.model"])
def test_a_file_that_is_no_tokenizer_is_told(name, tmp_path):
    (tmp_path / name).write_text('{"config": 1}', "utf-8")
    with pytest.raises(UserError, match="is no tokenizer that can be read"):
        load_any(str(tmp_path / name))


@pytest.mark.parametrize("language", ["hindi", "marathi", "bangla"])
def test_the_paper_s_morphology_is_read_whole(language):
    path = SHARED / "morphology" / f"{language}.csv"
    if not path.exists():
        pytest.skip("../shared/data/morphology is not here")
    rows = read_morphology(path)
    with open(path, encoding="utf-8") as file:
        assert len(rows) == sum(1 for row in csv.DictReader(file) if row["full_word"] and row["pt1"] and row["rest"])
