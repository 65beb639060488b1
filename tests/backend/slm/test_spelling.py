"""A model with a list of words writes these alone, and keeps to whom and what an opening names."""

import ctypes
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from backend.errors import UserError
from backend.slm.catalog import BUNDLED
from backend.slm.engine import load_engine
from backend.slm.named import Thing
from backend.slm.native.batch import OfOpening, _Spelling, _strings
from backend.slm.native.compiler import library
from backend.slm.sampling import Sampling
from backend.slm.spelling import WORDS, LastWord, Spelling, Strings, spelled_words
from backend.tokenizer import load_tokenizer

LINES = ["-ने", "-ला", "-s", "*मोर", "*पतंग", "*kite", "पतंगाला", "नदी", "के", "पास", "था", "एक", "दिन", "the", "was", "there", "once", "A", "a", "I"]
HINDI = load_tokenizer(BUNDLED / "hindi")
TELL = """
import json, sys
from backend.slm.engine import load_engine
from backend.slm.native.compiler import library
from backend.slm.sampling import Sampling

assert library() is None
engine = load_engine(sys.argv[1])
print(json.dumps([story.text for story in engine.complete_many(["Once Qorr"] * 3, Sampling(max_tokens=60, seed=5))]))
engine.close()
"""


@pytest.fixture(scope="module")
def worded(folders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("worded") / "model"
    shutil.copytree(folders["qwen3"], folder)
    (folder / WORDS).write_bytes(gzip.compress("\n".join(LINES).encode()))
    return folder


@pytest.fixture(scope="module")
def spelling():
    """Over the tokens of a real model."""
    words = [line.removeprefix("*") for line in LINES if line[0] != "-"]
    things = {"मोर": Thing("मोर", True)} | {form: Thing(word, False) for form, word in (("पतंग", "पतंग"), ("पतंगाला", "पतंग"), ("kite", "kite"))}
    return Spelling(words, things, ["ने", "ला", "s"], ["ने"], HINDI, HINDI.vocab_size)


def known(text: str) -> bool:
    *whole, last = spelled_words(text) or [""]
    allowed = {line.lstrip("*") for line in LINES} | {"Once", "Qorr", "Qorrने", "Qorrला", "Qorrs", "Onceने", "Onceला", "Onces"}
    return set(whole) <= allowed and (last in allowed or any(word.startswith(last) for word in allowed))


def test_stories_are_of_the_listed_words_and_of_the_opening_s(worded):
    engine = load_engine(worded)
    stories = engine.complete_many(["Once Qorr"] * 20, Sampling(max_tokens=60, seed=5))
    engine.close()
    assert len({story.text for story in stories}) > 15
    assert all(known(story.text) for story in stories), [story.text for story in stories]
    assert any("Qorr" in story.text for story in stories)


@pytest.mark.parametrize("changed", [{"temperature": 0}, {"top_k": 0, "min_p": 0}, {"top_p": 0.5}])
def test_so_they_are_however_tokens_are_drawn(worded, changed):
    engine = load_engine(worded)
    stories = engine.complete_many(["Once Qorr"] * 8, Sampling(**{"max_tokens": 60, "seed": 5} | changed))
    engine.close()
    assert all(known(story.text) for story in stories)


def test_so_they_are_without_a_compiler(worded, tmp_path):
    alone = {**os.environ, "PATH": str(tmp_path), "CC": "", "PYTHONPATH": str(Path.cwd())}
    told = subprocess.run([sys.executable, "-c", TELL, str(worded)], env=alone, capture_output=True, text=True, check=True)
    stories = json.loads(told.stdout)
    assert len(set(stories)) == 3 and all(map(known, stories))


@pytest.mark.parametrize("content", [b"the a", gzip.compress("the a".encode("utf-16")), gzip.compress(b"the a")[:-9], gzip.compress(b"a" * 16_000_001)])
def test_a_faulty_list_is_told_of(worded, tmp_path, content):
    folder = shutil.copytree(worded, tmp_path / "model")
    (folder / WORDS).write_bytes(content)
    with pytest.raises(UserError, match=WORDS):
        load_engine(folder)


def in_c(spelling: Spelling, ids: list[int]):
    """What C knows of the last word of an opening."""
    native, given, opening = ctypes.create_string_buffer(8192), np.array(ids, np.int32), OfOpening(*spelling.of_opening(tuple(ids)))
    kept = Strings(spelling.tokens), Strings(spelling.words), opening
    listed = _Spelling(_strings(kept[0]), _strings(kept[1]), spelling.eos_id)
    library().word_begin(native, ctypes.byref(listed), *opening.given, given.ctypes.data_as(ctypes.c_void_p), len(ids))
    native.kept = kept, listed
    return native


@pytest.mark.skipif(library() is None, reason="there is no C compiler here: nothing to compare with")
@pytest.mark.parametrize("text", ["एक " + "झ" * 60, "😀" * 40, "z" * 129])
def test_a_word_too_long_to_be_one_is_let_be(spelling, text):
    ids = HINDI.encode_opening(text)
    plain, native = LastWord(spelling, ids), in_c(spelling, ids)
    there = HINDI.encode(" there")[0]
    assert plain.takes(there) and library().word_takes(native, there)
    assert plain.takes(HINDI.encode("z")[0]) and library().word_takes(native, HINDI.encode("z")[0])


@pytest.mark.skipif(library() is None, reason="there is no C compiler here: nothing to compare with")
def test_both_take_the_same_tokens_and_favour_the_same(spelling):
    dice = Random(0)
    texts = ["एक दिन मोर नदी के पास था।", "एक Zorbने", "Once there was a kite…", "पतंगाला!", "", "क्ष", "the “kite” — नदी", "Zorbने “पतंग", "मोर था, मोर (मोर।मोर", "झुम्बा ने झिलमिल को"]
    for text in texts * 3:
        ids = HINDI.encode_opening(text)
        plain, native = LastWord(spelling, ids), in_c(spelling, ids)
        for _ in range(12):
            taken = [token for token in range(len(spelling.tokens)) if plain.takes(token)]
            assert taken == [token for token in range(len(spelling.tokens)) if library().word_takes(native, token)], text
            assert taken, text
            logits = [np.zeros(len(spelling.tokens), np.float32) for _ in range(2)]
            plain.favour(logits[0])
            library().word_favour(native, logits[1].ctypes.data_as(ctypes.c_void_p))
            assert (logits[0] == logits[1]).all()
            token = dice.choice(taken)
            plain.add(token)
            library().word_add(native, token)


def test_what_an_opening_names_is_favoured_until_it_is_said(spelling):
    story = LastWord(spelling, HINDI.encode_opening("एक दिन झुम्बा ने पतंग देखी।"))
    kite, stranger = HINDI.encode(" पतंग")[0], HINDI.encode(" झुम्बा")[0]

    def bonus(token: int) -> float:
        logits = np.zeros(len(spelling.tokens), np.float32)
        story.favour(logits)
        return float(logits[token])

    assert bonus(stranger) > bonus(kite) > 0 and bonus(HINDI.encode(" दिन")[0]) == 0
    for token in HINDI.encode(" पतंग पास था।"):
        story.add(token)
    assert bonus(kite) == 0 < bonus(stranger)


def test_what_a_sentence_has_said_is_less_likely_in_it(spelling):
    story = LastWord(spelling, HINDI.encode_opening("एक दिन मोर के पास पतंग था।"))
    kite = HINDI.encode(" पतंग")[0]

    def bonus_after(text: str) -> float:
        for token in HINDI.encode(text):
            story.add(token)
        logits = np.zeros(len(spelling.tokens), np.float32)
        story.favour(logits)
        return float(logits[kite])

    assert bonus_after(" पतंगाला के") < 0 == bonus_after(" पास था।")


def test_a_name_once_begun_goes_on_as_in_the_opening(spelling):
    story = LastWord(spelling, HINDI.encode_opening("झुम्बाने पतंग देखी।"))
    first, second, *_ = HINDI.encode(" झुम्बा")
    for token in (*HINDI.encode(" झुम्बाने"), *HINDI.encode(" एक"), first):
        story.add(token)
    logits = np.zeros(len(spelling.tokens), np.float32)
    story.favour(logits)
    assert logits[second] > 0


@pytest.mark.parametrize(("before", "spaced"), [(" था।", True), (" था, “", False), (" था। ", False)])
def test_a_space_stands_before_what_is_favoured_and_none_behind_an_opening_quote(spelling, before, spaced):
    story = LastWord(spelling, HINDI.encode_opening("एक दिन मोर के पास पतंग था।"))
    for token in HINDI.encode(before):
        story.add(token)
    logits = np.zeros(len(spelling.tokens), np.float32)
    story.favour(logits)
    begun = {spelling.tokens[token].decode(errors="ignore") for token in np.flatnonzero(logits > 0)}
    assert begun and all(text.startswith(" ") == spaced for text in begun)


def test_an_unknown_word_is_a_name_where_a_mark_says_so(spelling):
    def named(text: str) -> set[bytes]:
        return set(spelling.named(HINDI.encode_opening(text)).stems)

    assert "झुम्बा".encode() in named("एक दिन झुम्बा ने पतंग देखी।") & named("एक दिन झुम्बाने पतंग देखी।")
    assert "झुम्बा".encode() not in named("झुम्बा पतंग था।")


def test_in_a_script_with_capitals_an_unknown_word_without_one_is_not_favoured():
    tokenizer = load_tokenizer(BUNDLED / "english")
    spelling = Spelling(["the", "flew", "away", "look"], {}, [], [], tokenizer, tokenizer.vocab_size)
    assert set(spelling.named(tokenizer.encode_opening("Looking up, Zorbina glimmed, and the bird flew away.")).stems) == {b"Zorbina"}


def test_where_nothing_marks_a_name_it_is_the_first_word_of_a_clause():
    tokenizer = load_tokenizer(BUNDLED / "bangla")
    spelling = Spelling(["বই", "দেখল"], {}, [], [], tokenizer, tokenizer.vocab_size)
    assert set(spelling.named(tokenizer.encode_opening("বই দেখল, ক্লো ধুসর বই দেখল।")).stems) == {"ক্লো".encode()}


def test_an_emoji_is_no_name():
    tokenizer = load_tokenizer(BUNDLED / "bangla")
    spelling = Spelling(["বই"], {}, [], [], tokenizer, tokenizer.vocab_size)
    assert set(spelling.named(tokenizer.encode_opening("🐉 ❤️ ক্লো বই")).stems) == {"ক্লো".encode()}


def test_a_vocabulary_with_padding_is_served(worded, tmp_path):
    """The tokenizer has fewer tokens than the model."""
    folder = shutil.copytree(worded, tmp_path / "model")
    tokens = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    vocab, merges = tokens["model"]["vocab"], tokens["model"]["merges"]
    for _ in range(3):
        del vocab["".join(merges.pop())]
    (folder / "tokenizer.json").write_text(json.dumps(tokens), "utf-8")
    engine = load_engine(folder)
    stories = engine.complete_many(["Once Qorr"] * 8, Sampling(max_tokens=60, seed=5, top_k=0, min_p=0))
    engine.close()
    assert all(known(story.text) for story in stories)


def test_lines_of_a_mark_alone_mean_nothing(worded, tmp_path):
    folder = shutil.copytree(worded, tmp_path / "model")
    (folder / WORDS).write_bytes(gzip.compress("\n".join([*LINES, "-", "*", "@", "+", "=", "*=x", "x" * 100_000]).encode()))
    engine = load_engine(folder)
    assert engine.complete_many(["Once Qorr"], Sampling(max_tokens=20, seed=5))[0].text
    engine.close()


def test_an_opening_without_a_mark_gets_one_more_often(spelling):
    def bonus_after(text: str) -> float:
        logits = np.zeros(len(spelling.tokens), np.float32)
        LastWord(spelling, HINDI.encode_opening(text)).favour(logits)
        return float(logits[HINDI.encode("।")[-1]])

    assert bonus_after("एक दिन मोर था") > 0 == bonus_after("एक दिन मोर था।")


def test_every_bundled_model_of_one_language_has_its_words():
    for folder in BUNDLED.iterdir():
        if (folder / "config.json").exists() and folder.name != "tiny":
            words = gzip.decompress((folder / WORDS).read_bytes()).decode().split()
            assert len(words) > 5000 and any(word.startswith("*") for word in words)
