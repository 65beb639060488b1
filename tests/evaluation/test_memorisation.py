"""Memorisation: what is copied is found, at its exact length, wherever it stands; what is not is not."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.errors import UserError
from evaluation import spans
from evaluation.__main__ import evaluation
from evaluation.corpus import read_texts
from evaluation.nearest import nearest_stories
from evaluation.similarity import similarity
from evaluation.spans import longest_spans
from evaluation.text import words
from evaluation.word_index import build_index, index_of, number_words, open_index
from tests.evaluation.stories import told


def scattered(count: int, seed: int) -> list[list[str]]:
    """Word lists that share nothing but by chance."""
    dice = random.Random(seed)
    return [
        [
            f"शब्द{chr(0x905 + dice.randrange(40))}{chr(0x915 + dice.randrange(32))}"
            for _ in range(dice.randrange(30, 90))
        ]
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    stories = scattered(300, 1)
    source = folder / "stories.jsonl"
    source.write_text(
        "".join(json.dumps({"story": " ".join(s) + "।"}, ensure_ascii=False) + "\n" for s in stories), "utf-8"
    )
    return stories, source, build_index(source, folder / "index", workers=2)


def longest_common_run(text, stories):
    best = 0
    for story in stories:
        before = [0] * (len(story) + 1)
        for word in text:
            before = [0, *(before[j] + 1 if word == story[j] else 0 for j in range(len(story)))]
            best = max(best, *before)
    return best


def test_the_index_holds_every_word_of_every_story(indexed):
    stories, _, index = indexed
    assert len(index) == len(stories)
    assert all(index.words(i) == story for i, story in enumerate(stories))


def test_spans_are_as_long_as_a_plain_search_finds(indexed):
    stories, _, index = indexed
    dice = random.Random(2)
    texts = []
    for length in (4, 7, 8, 13, 29, 30):
        story = dice.choice([s for s in stories if len(s) >= 30])
        start = dice.randrange(len(story) - length + 1)
        texts.append(["नया"] * 5 + story[start : start + length] + ["अलग"] * 5)
    for text, span in zip(texts, longest_spans([number_words(t) for t in texts], index), strict=True):
        assert span.length == longest_common_run(text, stories)
        assert " ".join(text[span.start : span.start + span.length]) in " ".join(stories[span.story])


@pytest.mark.parametrize("at_once", [spans._LENGTHS_AT_ONCE, 50])
def test_spans_are_exact_where_runs_come_often_and_texts_are_copied_whole(tmp_path, monkeypatch, at_once):
    """Few words, so that every run stands in many places, some of them longer than the longest n-gram of the ladder."""
    monkeypatch.setattr(spans, "_LENGTHS_AT_ONCE", at_once)
    dice = random.Random(5)
    stories = [[dice.choice("कखग") * 2 for _ in range(dice.choice([20, 60, 300]))] for _ in range(12)]
    refrain = stories[3][:9]
    for story in stories[::2]:
        story[5:14] = refrain
    source = tmp_path / "stories.jsonl"
    source.write_text("".join(json.dumps({"story": " ".join(s)}) + "\n" for s in stories), "utf-8")
    index = build_index(source, tmp_path / "index", workers=1)
    long = next(s for s in stories if len(s) == 300)
    texts = [[dice.choice("कखग") * 2 for _ in range(30)] for _ in range(12)]
    texts += [[*refrain, "नया", *refrain], long, [*long[20:290], "नया"], long[:130] + long[200:290]]
    for text, span in zip(texts, longest_spans([number_words(t) for t in texts], index), strict=True):
        assert span.length == longest_common_run(text, stories)
        assert " ".join(text[span.start : span.start + span.length]) in " ".join(stories[span.story])


def test_nothing_shared_is_nothing_found(indexed):
    _, _, index = indexed
    texts = [number_words(["और", "कुछ", "भी", "नहीं", "मिला", "यहाँ"]), number_words([])]
    assert [span.length for span in longest_spans(texts, index)] == [0, 0]
    assert nearest_stories(texts, index) == [None, None]


def test_the_nearest_story_is_the_one_that_was_changed_a_little(indexed):
    stories, _, index = indexed
    dice = random.Random(3)
    wanted = dice.sample(range(300), 20)
    changed = []
    for i in wanted:
        text = list(stories[i])
        for place in dice.sample(range(len(text)), 3):
            text[place] = "बदला"
        changed.append(number_words(text))
    found = nearest_stories(changed, index)
    assert sum(near is not None and near[0] == i for near, i in zip(found, wanted, strict=True)) >= 19


def test_a_half_written_index_is_no_index(indexed, tmp_path):
    with pytest.raises(UserError, match="delete it"):
        open_index(tmp_path)


def test_command_over_a_parquet_corpus(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    stories = told("hindi", 40)
    pq.write_table(pa.table({"story": list(stories)}), tmp_path / "corpus.parquet")
    copied = {"opening": "एक दिन", "completion": stories[7], "model": "parrot", "language": "hindi", "index": 0}
    (tmp_path / "out.jsonl").write_text(json.dumps(copied, ensure_ascii=False) + "\n", "utf-8")
    arguments = [
        "memorisation",
        str(tmp_path / "out.jsonl"),
        "--corpus",
        str(tmp_path / "corpus.parquet"),
        "--out",
        str(tmp_path / "m.json"),
    ]
    done = CliRunner().invoke(evaluation, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    (row,) = json.loads(Path(tmp_path / "m.json").read_text("utf-8"))["rows"]
    assert row["verbatim"] and row["nearest"] == 7 and row["longest_span"] == len(words(stories[7]))


def test_an_index_is_used_again_until_its_corpus_changes(tmp_path):
    corpus, folder = tmp_path / "corpus.jsonl", tmp_path / "index"
    corpus.write_text('{"story": "एक दिन"}\n', "utf-8")
    index_of(corpus, folder)
    built = (folder / "meta.json").stat().st_mtime_ns
    assert len(index_of(corpus, folder)) == 1 and (folder / "meta.json").stat().st_mtime_ns == built
    corpus.write_text('{"story": "एक दिन"}\n{"story": "दो दिन"}\n', "utf-8")
    assert index_of(corpus, folder).words(1) == ["दो", "दिन"]
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="is no index"):
        index_of(corpus, tmp_path / "mine")


def test_similarity_measures_read_indic_scripts():
    same = similarity("एक बिल्ली छत पर बैठी थी।", "एक बिल्ली छत पर बैठी थी।")
    assert min(same.rouge_l, same.bleu, same.chrf) > 0.99 and same.meteor > 0.9
    half = similarity("एक बिल्ली छत पर सो गई।", "एक बिल्ली छत पर बैठी थी।")
    assert 0.3 < half.rouge_l < 0.9 and 0.3 < half.chrf < 0.9
    assert similarity("", "कुछ").rouge_l == 0


@pytest.mark.parametrize(("line", "said"), [("no json", "not JSON"), ("[1]", "no column"), ('{"text": "x"}', "--column")])
def test_a_corpus_that_is_none_is_told(tmp_path, line, said):
    (tmp_path / "c.jsonl").write_text(line + "\n", "utf-8")
    with pytest.raises(UserError, match=said):
        build_index(tmp_path / "c.jsonl", tmp_path / "index", workers=1)


def test_an_export_s_folder_and_the_paper_s_list_are_corpora_too(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "export" / "data").mkdir(parents=True)
    pq.write_table(pa.table({"story": ["एक दिन", "", None]}), tmp_path / "export" / "data" / "train-0.parquet")
    (tmp_path / "export" / "facts.jsonl").write_text('{"seed": 0}\n')
    assert read_texts(tmp_path / "export", "story") == ["एक दिन"]
    (tmp_path / "list.json").write_text(json.dumps([{"story": "दो दिन"}]), "utf-8")
    assert index_of(tmp_path / "list.json", tmp_path / "index").words(0) == ["दो", "दिन"]
    with pytest.raises(UserError, match="--column"):
        read_texts(tmp_path / "export", "text")
