import shutil

import pytest

import backend.languages
from backend.languages import LANGUAGES_FOLDER, language_names
from datagen.check import check_language
from datagen.words import load_words


@pytest.mark.parametrize("language", language_names())
def test_every_language_is_in_order(language):
    assert check_language(language) == []


@pytest.fixture
def copied_english(tmp_path, monkeypatch):
    shutil.copytree(LANGUAGES_FOLDER / "english", tmp_path / "english")
    monkeypatch.setattr(backend.languages, "LANGUAGES_FOLDER", tmp_path)
    for cached in (backend.languages.load_language, load_words):
        cached.cache_clear()
    yield tmp_path / "english"
    for cached in (backend.languages.load_language, load_words):
        cached.cache_clear()


def append(path, line):
    path.write_text(path.read_text("utf-8").rstrip("\n") + f"\n{line}\n", "utf-8")
    return len(path.read_text("utf-8").splitlines())


def test_bad_entries_are_told_with_file_and_line(copied_english):
    nouns = copied_english / "nouns.tsv"
    first = nouns.read_text("utf-8").splitlines()[1].split("\t")[0]
    repeated = append(nouns, f"{first}\tobject")
    foreign = append(nouns, "पतंग\ttoy")
    unknown_kind = append(nouns, "zeppelin\tairship")
    nowhere = append(nouns, "moor\tplace\tn")
    problems = "\n".join(check_language("english"))
    assert f"nouns.tsv:{repeated}: '{first}' stands in line" in problems
    assert f"nouns.tsv:{foreign}: 'पतंग' (word) holds" in problems
    assert f"nouns.tsv:{nowhere}: the place 'moor' has no form 'loc'" in problems
    assert f"nouns.tsv:{unknown_kind}: the kind 'airship' is none of" in problems


def test_a_bad_beginning_is_told_with_file_and_line(copied_english):
    beginnings = copied_english / "beginnings.tsv"
    first = beginnings.read_text("utf-8").splitlines()[0].split("\t")[0]
    repeated = append(beginnings, first)
    foreign = append(beginnings, "The पतंग flew away.")
    unknown_gender = append(beginnings, "Mina found a kite.\tMina=x")
    problems = "\n".join(check_language("english"))
    assert f"beginnings.tsv:{repeated}: this sentence stands in line 1 already" in problems
    assert f"beginnings.tsv:{foreign}: holds" in problems
    assert f"beginnings.tsv:{unknown_gender}: Mina's gender 'x' is none of" in problems


def test_a_plot_with_an_unknown_role_or_group_is_told(copied_english):
    plot = sorted((copied_english / "plots").glob("*.txt"))[0]
    text = plot.read_text("utf-8")
    body, groups, rest = text.partition("\n@")
    plot.write_text(body.rstrip() + "\n- {villain} came.\n- @thunderclap\n" + groups + rest, "utf-8")
    problems = "\n".join(check_language("english"))
    assert "there is no role 'villain'" in problems
    assert "there is no group @thunderclap" in problems


def test_a_plot_that_may_leave_out_the_noun_is_told(copied_english):
    plot = copied_english / "plots" / "old_and_rusty.txt"
    text = plot.read_text("utf-8")
    plot.write_text(text.replace("thing*: vehicle", "thing: vehicle\nroad*: place"), "utf-8")
    assert f"{plot}: no sentence names {{road}}" in "\n".join(check_language("english"))


def test_a_plot_that_cannot_be_read_is_told(copied_english):
    plot = sorted((copied_english / "plots").glob("*.txt"))[0]
    line = append(plot, "- {hero was here.")
    assert f"{plot.name}:{line}" in "\n".join(check_language("english"))
