"""Tokens are those of the tokenizer, from any source, and a run that is killed goes on."""

import json
import random
import signal
import subprocess
import sys
import unicodedata

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from backend.errors import UserError
from backend.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from tests.hub_server import hub_server
from tests.trainer.small_runs import ROOT, call, command, environment, stories, write_jsonl
from trainer.prepare import write_tokens
from trainer.texts import read_texts
from trainer.words import WordEncoder

# White space and signs in every company, scripts in turn, digits, quotes, an emoji, a joined cluster.
AWKWARD = [
    "", " ", "  two spaces  inside and at the end  ", "\ttab\tand \n\n newlines\n", "12345 67 8,9 and 1 000", "it's 'quoted' 's",
    "क्षत्रिय  ने कहा— “आओ!” 🙂 👩‍👩‍👧 ठीक है।", "বৃষ্টি পড়ে টাপুর টুপুর।", "a\u00a0b \u200d c", "<eos> <bos> <|endoftext|>", "x" * 300,
]  # fmt: skip


def metaspace(kind):
    """A tokenizer as SentencePiece makes them: ▁ before every word, the first one too."""
    model, trainer = {
        "unigram": (models.Unigram(), trainers.UnigramTrainer(vocab_size=200, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)),  # noqa: S106
        "bpe": (models.BPE(unk_token="<unk>", fuse_unk=True), trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "</s>", "<unk>"], show_progress=False)),  # noqa: S106
    }[kind]  # fmt: skip
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.train_from_iterator(stories(300), trainer)
    return Tokenizer(backend, "<s>", "</s>", kind)


def llama():
    """A BPE over whole texts, as Llama 2's: spaces become ▁ by a normalizer, no pre-tokenizer cuts."""
    backend = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))  # noqa: S106
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<s>", "</s>", "<unk>"]
    backend.train_from_iterator((word for text in stories(300) for word in text.split()), trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False))
    return Tokenizer(backend, "<s>", "</s>", "llama")


def phrases():
    """A BPE whose tokens reach over spaces."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.train_from_iterator(stories(300), trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"], show_progress=False))
    return Tokenizer(backend, "<s>", "</s>", "phrases")


TOKENIZERS = {
    "ours": lambda: train_tokenizer(stories(300), 400),
    "endings parted": lambda: train_tokenizer(stories(300), 400, "[ा-ौ]?(?:ने|ला|ে|র|s)"),
    "unigram": lambda: metaspace("unigram"),
    "sentencepiece bpe": lambda: metaspace("bpe"),
    "llama": llama,
    "phrases": phrases,
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_words_encoded_once_are_the_tokens_of_whole_texts(name):
    tokenizer, texts, dtype = TOKENIZERS[name](), stories(200, seed=5), np.dtype("<u2")
    encoder = WordEncoder(tokenizer, dtype, texts)
    assert (encoder.before is None) == (name == "phrases")
    dice = random.Random(0)
    mixed = [dice.choice((" ", "  ", "\n", "")).join(dice.sample(AWKWARD + texts, 3)) for _ in range(300)]
    for text, row in zip(mixed, encoder.encode(mixed), strict=True):
        space = " " if tokenizer.begins_with_space(text.split(" ")[0]) else ""
        expected = [tokenizer.bos_id, *tokenizer.encode(space + text), tokenizer.eos_id]
        assert np.frombuffer(row, dtype).tolist() == expected, text


@pytest.mark.parametrize("dropout", [0.0, 1e-9])
def test_a_story_begins_with_the_tokens_that_its_opening_is_read_with(dropout):
    tokenizer, dtype = train_tokenizer(stories(300), 400), np.dtype("<u2")
    opening = "Zubeida found a kite."
    row = WordEncoder(tokenizer, dtype, stories(20)).encode([f"{opening} It was red."], dropout)[0]
    given = tokenizer.encode_opening(opening)
    assert np.frombuffer(row, dtype).tolist()[: len(given)] == given


@pytest.mark.parametrize("dropout", [0.0, 1e-9])  # word by word, and whole
def test_texts_are_brought_to_nfc_and_counted_so(dropout, tmp_path):
    texts = [unicodedata.normalize("NFD", f"Café number {number} \u0301 पढ़ना পড়া {text}") for number, text in enumerate(stories(60))]
    in_nfc = [unicodedata.normalize("NFC", text) for text in texts]
    assert in_nfc != texts
    tokenizer = train_tokenizer(stories(300), 400)
    made = [write_tokens(iter(given), tokenizer, tmp_path / name, 0, 0.2, dropout) for name, given in (("as they came", texts), ("in NFC", in_nfc))]
    assert made[0] == made[1]
    assert made[0]["train_bytes"] + made[0]["val_bytes"] == sum(len(text.encode()) for text in in_nfc)
    assert (tmp_path / "as they came/train.bin").read_bytes() == (tmp_path / "in NFC/train.bin").read_bytes()


@pytest.mark.parametrize("form", ["jsonl", "parquet", "txt", "txt with <|endoftext|>", "folder", "hub"])
def test_any_source_gives_the_same_tokens(form, corpus, tokens, tmp_path):
    texts, source, more = stories(400), tmp_path / f"stories.{form[:7].split()[0]}", {}
    if form == "jsonl":
        source = corpus
    elif form == "parquet":
        pyarrow.parquet.write_table(pyarrow.table({"ID": range(400), "story": texts}), source, row_group_size=50)
    elif form == "txt":
        source.write_text("\n\n\n".join(texts) + "\n", "utf-8")
    elif form.startswith("txt"):
        source = tmp_path / "TinyStories.txt"
        source.write_text("".join(f"{text}\n<|endoftext|>\n" for text in texts), "utf-8")
    else:
        source = tmp_path / "data"
        source.mkdir()
        for part in range(4):
            pyarrow.parquet.write_table(pyarrow.table({"story": texts[part * 100 : part * 100 + 100]}), source / f"train-{part}.parquet")
    with hub_server() as hub:
        if form == "hub":
            hub.add_folder("org/stories", source)
            source, more = "org/stories", hub.environment | {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
        out = tmp_path / "out"
        done = call(
            "prepare", "--dataset", source, "--tokenizer", tokens / "tokenizer", "--out", out, "--validation", 0.1,
            env=environment(**more),
        )  # fmt: skip
        assert done.returncode == 0, (done.returncode, done.stderr)
        meta = json.loads((out / "meta.json").read_text("utf-8"))
        if form == "hub":
            assert meta["revision"] == hub.sha("org/stories")
    for split in ("train", "val"):
        assert (out / f"{split}.bin").read_bytes() == (tokens / f"{split}.bin").read_bytes()
    assert meta["train_documents"] + meta["val_documents"] == 400


SLOW = """
import sys, time
from pathlib import Path
from backend.tokenizer import load_tokenizer
from tests.trainer.small_runs import stories
from trainer import prepare

prepare.BATCH, prepare.SAVE_EVERY = 16, 2
texts = stories(2000)
out, slow = Path(sys.argv[1]), len(sys.argv) > 3

def read():
    for number, text in enumerate(texts):
        if slow and number > 600:
            print(number, flush=True)
            time.sleep(0.05)
        yield text

if __name__ == "__main__":
    from backend.command_line import run
    import click
    @click.command(context_settings={"ignore_unknown_options": True})
    @click.argument("rest", nargs=-1)
    def main(rest):
        counts = prepare.write_tokens(read(), load_tokenizer(sys.argv[2]), out, 0, 0.1)
        print(counts["train_documents"] + counts["val_documents"])
    run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_cut_off_goes_on(number, tokens, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(SLOW, "utf-8")
    variables = environment(PYTHONPATH=str(ROOT))

    def line(out, *more):
        return [sys.executable, str(script), str(out), str(tokens / "tokenizer"), *more]

    whole, out = tmp_path / "whole", tmp_path / "out"
    assert subprocess.run(line(whole), env=variables).returncode == 0
    process = subprocess.Popen(line(out, "slow"), env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9), error
    assert not (out / "train.bin").exists()
    note = json.loads((out / ".prepare.json").read_text("utf-8"))
    assert 0 < note["counts"]["train_documents"] < 700
    done = subprocess.run(line(out), env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2000"
    for split in ("train", "val"):
        assert (out / f"{split}.bin").read_bytes() == (whole / f"{split}.bin").read_bytes()
    assert {path.name for path in out.iterdir()} == {"train.bin", "val.bin"}


def test_other_settings_begin_anew(tokens, tmp_path):
    tokenizer = load_tokenizer(tokens / "tokenizer")

    def broken():
        yield from stories(30)
        raise UserError("the network is gone")

    with pytest.raises(UserError, match="the network is gone"):
        write_tokens(broken(), tokenizer, tmp_path, 0, 0.3, source="a")
    counts = write_tokens(iter(stories(40, seed=1)), tokenizer, tmp_path, 0, 0.3, source="b")
    assert counts["train_documents"] + counts["val_documents"] == 40


def test_memory_does_not_grow_with_the_corpus(tokens, tmp_path):
    peaks = []
    for count in (4_000, 40_000):
        source = write_jsonl(tmp_path / f"{count}.jsonl", stories(count))
        line = command("prepare", "--dataset", source, "--tokenizer", tokens / "tokenizer", "--out", tmp_path / str(count))
        script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        done = subprocess.run([sys.executable, "-c", script, *line], capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 20, peaks  # MiB; the text itself is ten times as much


def test_too_few_stories_are_told_and_earlier_tokens_stay(tokens, tmp_path):
    kept = (tokens / "train.bin").read_bytes()
    source = write_jsonl(tmp_path / "one.jsonl", stories(1))
    done = call("prepare", "--dataset", source, "--tokenizer", tokens / "tokenizer", "--out", tokens)
    assert done.returncode == 1
    assert "larger --validation" in done.stderr and "Traceback" not in done.stderr
    assert (tokens / "train.bin").read_bytes() == kept and (tokens / "meta.json").exists()


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        ('{"story": "a"}\n{"story": \n', [], "stories.jsonl:2 is not a JSON object"),
        ('{"text": "a"}\n', [], "has no column 'story'; it has text"),
        ('{"story": "a"}\n', ["--tokenizer", "train:12"], "train:VOCAB_SIZE"),
        ('{"story": "a"}\n', ["--endings-of", "marathi"], "is trained already"),
        ('{"story": "a"}\n', ["--tokenizer", "train:400", "--endings-of", "hindi"], "has no noun_endings"),
        ('{"story": "a"}\n', ["--dataset", "{folder}"], "holds no"),
    ],
)
def test_what_is_wrong_is_told(content, arguments, says, tokens, tmp_path):
    source = tmp_path / "stories.jsonl"
    source.write_text(content, "utf-8")
    (tmp_path / "empty").mkdir()
    arguments = [argument.format(folder=tmp_path / "empty") for argument in arguments]
    done = call("prepare", "--dataset", source, "--tokenizer", tokens / "tokenizer", "--out", tmp_path / "out", *arguments)
    assert done.returncode == 1
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"[1, 2]\n", "a.jsonl:1 is not a JSON object"),
        ("a.jsonl", b'{"story": 5}\n', "holds int, not text"),
        ("a.jsonl", '{"story": "Café"}\n'.encode("latin-1"), "is not in UTF-8"),
        ("a.txt", "Café".encode("latin-1"), "is not in UTF-8"),
        ("a.parquet", b"PAR1 and no more", "is no whole Parquet file"),
        ("a.csv", b"story\na\n", "convert it"),
    ],
)
def test_a_file_that_holds_no_texts_is_told(name, content, says, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        list(read_texts(str(tmp_path / name), "story"))


def test_a_dataset_that_the_hub_does_not_have_is_told(tokens, tmp_path):
    with hub_server() as hub:
        online = hub.environment | {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
        arguments = ["--dataset", "org/none", "--tokenizer", tokens / "tokenizer", "--out", tmp_path / "out"]
        done = call("prepare", *arguments, env=environment(**online))
    assert done.returncode == 1
    assert "'org/none' is neither a file or folder here" in done.stderr and "Traceback" not in done.stderr
