"""Journals of shards joined into one, as a user sees it."""

import json

import pytest
from click.testing import CliRunner

from backend.llm.journal import ACCEPTED, DEAD, Attempt, Entry, Journal
from datagen.__main__ import datagen
from datagen.progress import progress


def run(*arguments) -> str:
    """What a command prints; raises what it ends with."""
    done = CliRunner().invoke(datagen, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def tell(path, *more, count=60):
    run("stories", "english", "--count", count, "--provider", "storyteller", "--journal", path, *more)


def status(path) -> dict:
    with Journal.read(path) as journal:
        return progress(journal)


def exported(path, out) -> dict[str, dict]:
    run("export", path, "--out", out, "--format", "jsonl", "--near-duplicates", 0)
    return {row["id"]: row for file in out.rglob("*.jsonl") for row in map(json.loads, file.read_text("utf-8").splitlines())}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    paths = [tmp_path_factory.mktemp("shards") / f"{shard}.sqlite" for shard in range(2)]
    for shard, path in enumerate(paths):
        tell(path, "--shard", f"{shard}/2")
    return paths


def test_shards_become_one_journal_that_goes_on_as_a_whole_one(shards, tmp_path):
    out = tmp_path / "all.sqlite"
    run("merge", *shards, "--out", out)
    found, parts = status(out), [status(path) for path in shards]
    assert (found["prompts"], found["pending"]) == (60, 0)
    for name in ("accepted", "dead", "attempts", "cost"):
        assert found[name] == sum(part[name] for part in parts)
    rows = exported(out, tmp_path / "rows")
    assert rows == exported(shards[0], tmp_path / "0") | exported(shards[1], tmp_path / "1")
    tell(out, count=80)
    assert (status(out)["prompts"], status(out)["attempts"]) == (80, 80)
    assert sorted(file.name for file in tmp_path.iterdir() if "merging" in file.name) == []


def test_of_a_prompt_that_two_journals_have_one_story_is_kept_and_every_attempt(shards, tmp_path):
    tell(tmp_path / "whole.sqlite", count=40)
    run("merge", shards[0], tmp_path / "whole.sqlite", "--out", tmp_path / "all.sqlite")
    found = status(tmp_path / "all.sqlite")
    assert found["accepted"] + found["dead"] == 50  # 30 even ones below 60, and the 20 odd ones below 40
    assert found["attempts"] == 30 + 40


def entry(id_, state, text, cost, reason=None):
    attempt = Attempt("http://x", 1.0, reason, answer=f'{{"story": "{text}"}}', input_tokens=10, output_tokens=20, cost=cost)
    return Entry(id_, {"language": "english"}, state, attempt, text=text, key=text)


def test_the_accepted_wins_and_a_text_that_is_there_twice_is_kept_once(tmp_path):
    with Journal.create_or_open(tmp_path / "a.sqlite") as journal:
        journal.save([entry("1", DEAD, "bad", 0.5, "truncated"), entry("2", ACCEPTED, "same", 0.25), entry("3", ACCEPTED, "one", 0.25)])
    with Journal.create_or_open(tmp_path / "b.sqlite") as journal:
        journal.save([entry("1", ACCEPTED, "good", 0.5), entry("4", ACCEPTED, "same", 0.5), entry("3", DEAD, "two", 1.0, "empty")])
    assert "1 of these are stories that were told twice" in run("merge", tmp_path / "a.sqlite", tmp_path / "b.sqlite", "--out", tmp_path / "c.sqlite")
    with Journal.read(tmp_path / "c.sqlite") as journal:
        assert dict(journal.accepted("id, text")) == {"1": "good", "2": "same", "3": "one"}
        tallies = journal.tallies()
        items = dict(journal.connection.execute("SELECT id, cost FROM items"))
        attempts = journal.connection.execute("SELECT attempt FROM attempts JOIN items ON number = item WHERE id = '1' ORDER BY 1").fetchall()
    assert attempts == [(1,), (2,)]
    assert items == {"1": 1.0, "2": 0.25, "3": 1.25, "4": 0.5}
    assert (tallies["cost"], tallies["attempts"], tallies["output_tokens"], tallies["dead"]) == (3.0, 6, 120, 1)
    assert tallies["dead: duplicate"] == 1


def test_prompts_of_other_words_keep_their_stories_under_marked_ids(shards, tmp_path):
    other = tmp_path / "other.sqlite"
    tell(other, count=20)
    with Journal.create_or_open(other) as journal:
        journal.set_meta("words", {"english": "words of long ago"})
        journal.set_meta("templates", {"english 2+": "Tell of {noun}, {verb}, {adjective} and {feature}."})
        journal.connection.execute("UPDATE items SET key = key + 1, text = text || ' Long ago.'")
    run("merge", shards[0], other, "--out", tmp_path / "all.sqlite")
    rows = exported(tmp_path / "all.sqlite", tmp_path / "rows")
    marked = {id_: row for id_, row in rows.items() if "~" in id_}
    assert len(marked) == status(other)["accepted"] and len(rows) == len(marked) + status(shards[0])["accepted"]
    assert all(row["prompt"].startswith(f"Tell of {row['noun']},") for row in marked.values())
    assert status(tmp_path / "all.sqlite")["pending"] == 0


def test_what_cannot_be_joined_is_told_in_a_sentence_and_writes_nothing(shards, tmp_path):
    from backend.errors import UserError

    out, being_written = tmp_path / "all.sqlite", tmp_path / "b.sqlite"
    with Journal.create_or_open(being_written) as open_journal:
        open_journal.set_meta("translation", {"source": "x"})
        with pytest.raises(UserError, match="is being written by another process"):
            run("merge", being_written, "--out", out)
    with pytest.raises(UserError, match="something else than the journals before it"):
        run("merge", shards[0], being_written, "--out", out)
    with pytest.raises(UserError, match="named twice"):
        run("merge", shards[0], shards[0], "--out", out)
    with pytest.raises(UserError, match="There is no journal"):
        run("merge", shards[0], tmp_path / "none.sqlite", "--out", out)
    assert not out.exists() and not list(tmp_path.glob(".*merging*"))
