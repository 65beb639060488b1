"""A data set in another language, by an endpoint and by real models of the kinds that translate."""

import json
import os
import subprocess
import sys
from itertools import permutations

import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from backend.errors import UserError
from backend.llm.journal import Journal
from datagen.merge import join
from datagen.progress import progress
from datagen.translate import translate
from datagen.translate_codes import language_token
from datagen.translate_sentences import sentences
from tests.datagen.tiny_translators import PAIRS, make_marian, make_nllb
from tests.datagen.translation_server import translation_server
from tests.hub_server import hub_server

# Stories of two paragraphs, no two the same, and what a translator that knows its sentences by heart makes of them.
ORDERS = list(permutations(range(len(PAIRS))))[::1000][:12]
ENGLISH, HINDI = list(PAIRS), list(PAIRS.values())
STORIES = {
    f"story-{n}": "\n\n".join(" ".join(ENGLISH[i] for i in half) for half in (order[:3], order[3:])) for n, order in enumerate(ORDERS)
}
TRANSLATED = {
    f"story-{n}": "\n\n".join(" ".join(HINDI[i] for i in half) for half in (order[:3], order[3:])) for n, order in enumerate(ORDERS)
}


def run(*arguments, **options):
    """The command in this process; what it prints, or the UserError that it ends with."""
    line = [*map(str, arguments), *(word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value)))]
    done = CliRunner().invoke(translate, [*line, "--from", "english", "--to", "hindi"])
    if done.exception and not isinstance(done.exception, UserError):
        raise done.exception
    return done


def told(path) -> dict[str, str]:
    with Journal.read(path) as journal:
        return dict(journal.accepted("id, text"))


def status(path) -> dict:
    with Journal.read(path) as journal:
        return progress(journal)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "stories.jsonl"
    path.write_text("".join(json.dumps({"story": text, "ID": id_}) + "\n" for id_, text in STORIES.items()), "utf-8")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folders = {}
    for make in (make_nllb, make_marian):
        folders[make] = tmp_path_factory.mktemp(make.__name__)
        make(folders[make])
    return folders


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.parametrize("make", [make_nllb, make_marian])
def test_a_local_model_translates_sentence_by_sentence_and_keeps_ids_and_paragraphs(models, make, source, tmp_path):
    path = tmp_path / "hindi.sqlite"
    done = run(source, provider="seq2seq", model=models[make], weights="float32", device="cpu", journal=path)
    assert done.exit_code == 0, done.exception
    assert told(path) == TRANSLATED
    assert status(path)["pending"] == 0


def test_a_local_model_goes_on_where_it_stopped(models, source, tmp_path):
    path, options = tmp_path / "a.sqlite", {"provider": "seq2seq", "model": models[make_nllb], "device": "cpu", "journal": tmp_path / "a.sqlite"}
    run(source, **options, shard="0/2", beams=1)
    assert sorted(told(path)) == sorted(list(STORIES)[::2])
    run(source, **options, beams=1)
    assert told(path) == TRANSLATED
    assert status(path)["attempts"] == len(STORIES)


def test_an_endpoint_is_asked_again_until_its_answer_is_a_translation(source, tmp_path):
    path = tmp_path / "a.sqlite"
    with translation_server(PAIRS, bad=("as it was", "a piece")) as server:
        options = {"provider": "openai", "model": "m", "base_url": server.url, "journal": path}
        done = run(source, **options)
        assert done.exit_code == 0, done.exception
        assert told(path) == TRANSLATED
        assert status(path)["rejected_by_reason"] == {"wrong script": 12, "length ratio": 12}
        run(source, **options)
        assert set(server.asked.values()) == {3}, "what is translated is never paid for again"


def test_shards_of_a_translation_are_merged(source, tmp_path):
    shards, out = [tmp_path / "0.sqlite", tmp_path / "1.sqlite"], tmp_path / "all.sqlite"
    with translation_server(PAIRS) as server:
        for number, path in enumerate(shards):
            run(source, provider="openai", model="m", base_url=server.url, journal=path, shard=f"{number}/2")
        join(shards, out)
        run(source, provider="openai", model="m", base_url=server.url, journal=out)
        assert set(server.asked.values()) == {1}
    assert told(out) == TRANSLATED and status(out)["prompts"] == len(STORIES)


def test_rows_of_parquet_and_csv_without_ids_go_by_their_number(tmp_path):
    stories = list(STORIES.values())
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"text": [*stories[:2], None]}), tmp_path / "data" / "train-0.parquet")
    (tmp_path / "data" / "train-1.csv").write_text('n,text\n7,"' + stories[2].replace('"', '""') + '"\n', "utf-8")
    (tmp_path / "data" / "validation-0.csv").write_text("n,text\n1,nothing of this\n", "utf-8")
    with translation_server(PAIRS) as server:
        options = {"provider": "openai", "model": "m", "base_url": server.url, "journal": tmp_path / "a.sqlite"}
        done = run(tmp_path / "data", **options, column="text", split="train")
    assert done.exit_code == 0, done.exception
    assert sorted(told(tmp_path / "a.sqlite")) == ["0", "1", "3"]
    assert status(tmp_path / "a.sqlite")["pending"] == 0


def test_bad_input_is_one_sentence(models, source, tmp_path):
    (tmp_path / "broken.jsonl").write_text('{"story": "One."}\nnothing\n')
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.jsonl").write_text('{"story": " "}\n')
    seq2seq = {"provider": "seq2seq", "journal": tmp_path / "a.sqlite"}
    assert run(source, **seq2seq, model=models[make_nllb], beams=1).exit_code == 0
    for done, says in (
        (run(source, **seq2seq), "needs a --model"),
        (run(source, **seq2seq, model=tmp_path / "empty"), "no config.json"),
        (run(source, **seq2seq, model=models[make_nllb], column="text"), "has no column 'text'; it has story, ID"),
        (run(source, **seq2seq, model=models[make_nllb], column="ID"), "was begun with another column"),
        (run(tmp_path / "broken.jsonl", **{**seq2seq, "journal": tmp_path / "b.sqlite"}, model=models[make_nllb]), "broken.jsonl:2 is not a JSON object"),
        (run(tmp_path / "none.jsonl", **seq2seq), "holds no text in the column 'story'"),
        (run(tmp_path / "empty", **seq2seq), "holds no .jsonl"),
    ):
        assert done.exit_code == 1 and says in str(done.exception) and "\n" not in str(done.exception), done.exception


def test_code_from_a_model_folder_is_never_run(source, tmp_path):
    folder, mark = tmp_path / "indictrans2", tmp_path / "ran"
    folder.mkdir()
    (folder / "code.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nclass Config: pass\nclass Tokenizer: pass\n")
    (folder / "config.json").write_text(json.dumps({"model_type": "IndicTrans", "auto_map": {"AutoConfig": "code.Config"}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "X", "auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}}))
    refused = run(source, provider="seq2seq", model=folder, journal=tmp_path / "a.sqlite")
    assert isinstance(refused.exception, UserError) and "is never run here" in str(refused.exception) and not mark.exists()


@pytest.mark.parametrize(
    ("text", "ends", "count"),
    [
        ("राम आया। सीता हँसी! क्यों? ", "।?!", 3),
        ("“रुको!” माँ ने कहा। वह रुक गया।", "।?!", 3),
        ('"Stop!" said Mr. Fox. He ran…  Off.', ".?!", 3),
        ("One.\n\nTwo.\nThree", ".?!", 3),
        ("", ".?!", 0),
    ],
)
def test_sentences_and_gaps_make_the_text_again(text, ends, count):
    parts = sentences(text, ends)
    assert "".join(sentence + gap for sentence, gap in parts) == text and len(parts) == count


@pytest.mark.parametrize("token", ["hin_Deva", "__hi__", "hi_IN", ">>hin<<", "<2hi>"])
def test_a_language_is_found_in_the_vocabulary_of_every_family(token):
    from backend.languages import load_language

    assert language_token({"hi", "hindi", "ben_Beng", "mar_Deva", token}, load_language("hindi")) == token


def test_a_dataset_of_the_hub_is_translated_from_its_files(tmp_path):
    rows = "".join(json.dumps({"story": text, "ID": id_}) + "\n" for id_, text in STORIES.items()).encode()
    with hub_server({"hf_right"}) as hub, translation_server(PAIRS) as server:
        hub.repos["org/stories"] = {"data/train-00000.jsonl": rows, "README.md": b"x"}
        line = ["translate", "org/stories", "--from", "english", "--to", "hindi", "--provider", "openai", "--model", "m", "--base-url", server.url]
        online = os.environ | hub.environment | {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_right"}
        command = [sys.executable, "-m", "datagen", *line, "--journal", str(tmp_path / "a.sqlite")]
        done = subprocess.run(command, capture_output=True, text=True, env=online)
    assert done.returncode == 0, done.stderr
    assert told(tmp_path / "a.sqlite") == TRANSLATED
