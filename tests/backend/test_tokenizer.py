"""Tokenizers: nothing is unknown, words of Indic scripts stay whole, other kinds load or say why not."""

import json
import unicodedata
from pathlib import Path

import pytest
import sentencepiece
import tiktoken
from transformers import AutoTokenizer

from backend.errors import UserError
from backend.languages import load_language
from backend.tokenizer import load_tokenizer, train_tokenizer

TEXTS = [
    "एक छोटी चिड़िया नदी के किनारे रहती थी। उसका नाम मीनू था।",
    "एका गावात एक हुशार कोल्हा राहत होता. त्याला खेळायला आवडायचं.",
    "একটি ছোট পাখি নদীর ধারে থাকত। তার বন্ধু ছিল কচ্ছপ।",
    "A small bird lived by the river. It's called Minu, and she doesn't fly.",
]
HARD = ["क्\u200dष और ক্\u200cষ", "🐘👩‍👩‍👧 <b>&amp;</b>", "\x00\x07\t\r\n\n  x ", "日本語 ಕನ್ನಡ தமிழ்", "", " ", "<bos> is text here, <eos> too"]


@pytest.fixture(scope="module")
def ours():
    return train_tokenizer(TEXTS * 20, 450)


@pytest.mark.parametrize("text", TEXTS + HARD)
def test_every_text_comes_back(ours, text):
    ids = ours.encode(text)
    assert ours.backend.decode(ids, skip_special_tokens=False) == unicodedata.normalize("NFC", text)
    assert all(1 < i < ours.vocab_size for i in ids)


def test_special_tokens_are_first_and_the_size_is_as_asked(ours):
    assert (ours.bos_id, ours.eos_id, ours.vocab_size) == (0, 1, 450)
    assert ours.decode([0, *ours.encode("नदी"), 1]) == "नदी"


def test_composed_and_decomposed_letters_are_the_same(ours):
    assert ours.encode("क\u093c") == ours.encode("\u0958")  # qa, in both spellings


def test_no_word_is_cut_at_its_vowel_signs(ours):
    for text in TEXTS:
        pieces = [text[start:end] for _, (start, end) in ours.backend.pre_tokenizer.pre_tokenize_str(text)]
        assert not any(unicodedata.category(piece[0]).startswith("M") for piece in pieces)


@pytest.fixture(scope="module")
def parting():
    texts = [row["story"] for row in load_language("marathi").stories()]
    return train_tokenizer(texts, 2000, load_language("marathi").noun_endings)


@pytest.mark.parametrize(("name", "forms"), [
    ("राजू", ["राजूने", "राजूला", "राजूच्या"]), ("शंख", ["शंखाने", "शंखाला", "शंखातून"]), ("झंबूर", ["झंबूरने", "झंबूराजवळ", "झंबूरांनी"]),
])  # fmt: skip
def test_a_name_keeps_its_pieces_whatever_ending_it_has(parting, name, forms):
    stem = name.rstrip("ू")
    pieces = parting.encode(" " + stem)
    for form in (name, *forms):
        ids = parting.encode(" " + form)
        assert ids[: len(pieces)] == pieces
        assert parting.decode(ids[len(pieces) :]) == form.removeprefix(stem)


def test_frequent_and_short_words_are_not_parted_from_an_ending(parting):
    for word in ("म्हणाला", "त्याने", "गेला", "आला"):
        assert len(parting.backend.pre_tokenizer.pre_tokenize_str(" " + word)) == 1


def test_endings_that_are_no_regex_are_told():
    with pytest.raises(UserError, match=r"'\(ने' are no regular expression \(.*parenthesis"):
        train_tokenizer(TEXTS, 400, "(ने")


@pytest.mark.parametrize("text", TEXTS + HARD + ["“राजूला”, ‘बाळू’ने… कावळ्यांनाही!"])
def test_with_endings_parted_every_text_comes_back_here_and_in_transformers(parting, text, tmp_path):
    parting.save(tmp_path)
    ids = parting.encode(text)
    assert parting.backend.decode(ids, skip_special_tokens=False) == unicodedata.normalize("NFC", text)
    assert load_tokenizer(tmp_path).encode(text) == ids
    if "<bos>" not in text:
        assert AutoTokenizer.from_pretrained(tmp_path).encode(text, add_special_tokens=False) == ids


def test_many_texts_at_once_are_the_same(ours):
    assert ours.encode_batch(TEXTS + HARD) == [ours.encode(text) for text in TEXTS + HARD]


def test_a_saved_one_loads_here_and_in_transformers(ours, tmp_path):
    ours.save(tmp_path)
    again, theirs = load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert (again.bos_id, again.eos_id, again.vocab_size) == (0, 1, 450)
    assert (theirs.bos_token_id, theirs.eos_token_id, len(theirs)) == (0, 1, 450)
    for text in TEXTS:
        assert again.encode(text) == ours.encode(text) == theirs.encode(text, add_special_tokens=False)


def test_one_without_eos_is_refused(ours, tmp_path):
    ours.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<bos>"}))
    with pytest.raises(UserError, match="has no eos_token"):
        load_tokenizer(tmp_path)


def test_a_sentencepiece_model_loads(tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(TEXTS * 20), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(tmp_path / "tokenizer"), vocab_size=400, model_type="bpe",
        byte_fallback=True, character_coverage=1.0, minloglevel=2,
    )  # fmt: skip
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    loaded = load_tokenizer(tmp_path)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    assert (loaded.bos_id, loaded.eos_id) == (processor.bos_id(), processor.eos_id())
    for text in TEXTS:
        assert loaded.encode(text) == processor.encode(text)
        assert loaded.decode(loaded.encode(text)) == text


def test_tiktoken_gives_tiktokens_ids(tmp_path):
    ranks = {bytes([i]): i for i in range(256)} | {b"th": 256, b"the": 257, b" t": 258, b"ri": 259, b"ver": 260}
    special = {"<|endoftext|>": 261}
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    encoding = tiktoken.Encoding("tiny", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    tiktoken.registry.ENCODINGS["tiny"] = encoding
    loaded = load_tokenizer("tiktoken:tiny")
    assert (loaded.bos_id, loaded.eos_id, loaded.vocab_size) == (261, 261, 262)
    for text in TEXTS:
        assert loaded.encode(text) == encoding.encode(text)
    loaded.save(tmp_path)
    assert load_tokenizer(tmp_path).encode(TEXTS[3]) == encoding.encode(TEXTS[3])


def test_what_cannot_be_had_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(UserError, match="tiktoken's file for 'gpt2' could not be fetched"):
        load_tokenizer("tiktoken:gpt2")
    with pytest.raises(UserError, match="no encoding 'gpt9'"):
        load_tokenizer("tiktoken:gpt9")
    with pytest.raises(UserError, match="neither a folder here nor"):
        load_tokenizer("no such place/at all")


def test_an_opening_begins_as_the_same_word_does_within_a_story(ours, tmp_path):
    within = ours.encode("and कछुआ")[len(ours.encode("and")) :]
    assert ours.encode_opening("कछुआ ") == [ours.bos_id, *within]
    ours.save(tmp_path)
    assert load_tokenizer(tmp_path).encode_opening("कछुआ") == [ours.bos_id, *within]
    assert ours.encode_opening("“कछुआ") == [ours.bos_id, *ours.encode("“कछुआ")]
    assert ours.encode_opening("") == [ours.bos_id]


@pytest.mark.parametrize("language", ["hindi", "marathi", "bangla", "english"])
def test_bundled_models_read_an_opening_so(language):
    assert load_tokenizer(Path(__file__).resolve().parents[2] / "models" / language).add_prefix_space
