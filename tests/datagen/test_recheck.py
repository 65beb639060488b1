"""A journal's kept answers by other rules, and dead letters that get another chance; nothing is asked meanwhile."""

import json

import pytest
from click.testing import CliRunner

from backend.errors import UserError
from backend.llm.journal import Journal
from datagen.dead import dead, retry
from datagen.progress import progress
from datagen.recheck import recheck
from datagen.stories import stories
from tests.datagen.journals import told, write


def run(command, *arguments) -> list[str]:
    done = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def state(path) -> dict:
    with Journal.read(path) as journal:
        return progress(journal)


@pytest.fixture
def journal(tmp_path):
    """Ten good answers of which the first two were rejected, then a good one cut short and one that repeats the third."""
    stories = told("hindi", 12)
    ids = [prompt.id for prompt, _ in stories]
    answers = {prompt.id: "Here is the story:\n\n" + json.dumps({"story": story}, ensure_ascii=False) for prompt, story in stories}
    answers[ids[10]] = json.dumps({"story": " ".join(stories[10][1].split()[:50])}, ensure_ascii=False)
    answers[ids[11]] = answers[ids[2]]
    rejected = {ids[0]: "too long", ids[1]: "too long", ids[11]: "duplicate"}
    return write(tmp_path / "a.sqlite", "hindi", stories, answers, rejected)


def test_accepted_become_dead_and_dead_accepted_by_the_present_checks(journal):
    lines = run(recheck, journal, "--allow", "words missing")
    assert lines[:3] == ["accepted: 9 → 10", "dead: 3 → 2", "pending: 0 → 0"]
    assert "dead: too long: 2 → 0" in lines and "dead: too short: 0 → 1" in lines and "rejected: too long: 2 → 0" in lines
    found = state(journal)
    assert found["dead_by_reason"] == {"too short": 1, "duplicate": 1} and found["attempts"] == 12 and found["cost"] == 0.12
    with Journal.read(journal) as opened:
        texts = [text for (text,) in opened.accepted("text")]
        assert all("Here is" not in text for text in texts) and len(set(texts)) == 10
        assert opened.known(["hindi-2+-0-10"])["hindi-2+-0-10"].state == "dead"


def test_again_changes_nothing_and_remembers_the_rules(journal):
    run(recheck, journal, "--allow", "words missing", "--min-words", 1, "--allow", "truncated")
    before = state(journal)
    assert before["accepted"] == 11
    assert run(recheck, journal) == ["accepted: 11 → 11", "dead: 1 → 1", "pending: 0 → 0"]
    assert state(journal) == before


def test_other_rules_can_be_taken_back(journal):
    run(recheck, journal, "--allow", "words missing")
    first = state(journal)
    assert run(recheck, journal, "--min-words", 1100, "--max-words", 1200)[0] == "accepted: 10 → 0"
    run(recheck, journal, "--min-words", 60)
    assert state(journal) == first


def test_an_interruption_leaves_the_journal_as_it_was(journal, monkeypatch):
    before, calls = state(journal), []

    class Interrupted:
        def __init__(self, **_):
            pass

        def __call__(self, item, completion):
            calls.append(item)
            if len(calls) == 5:
                raise KeyboardInterrupt
            raise UserError("nothing is read")

    monkeypatch.setattr("datagen.recheck.StoryReader", Interrupted)
    assert CliRunner().invoke(recheck, [str(journal)]).exit_code != 0
    assert calls and state(journal) == before


def test_refused_while_another_writes_and_where_there_is_nothing(journal, tmp_path):
    with Journal.create_or_open(journal):
        for command in (recheck, retry):
            refused = CliRunner().invoke(command, [str(journal)])
            assert isinstance(refused.exception, UserError) and "is being written by another process" in str(refused.exception)
    missing = CliRunner().invoke(recheck, [str(tmp_path / "none.sqlite")])
    assert isinstance(missing.exception, UserError) and not (tmp_path / "none.sqlite").exists()


def test_dead_letters_are_listed_by_reason(journal):
    letters = [json.loads(line) for line in run(dead, journal)]
    assert [letter["reason"] for letter in letters] == ["duplicate", "too long", "too long"]
    assert letters[1]["id"] == "hindi-2+-0-0" and letters[1]["noun"] and "story" in letters[1]["answer"]
    assert len(run(dead, journal, "--reason", "too long", "--limit", 1)) == 1
    refused = CliRunner().invoke(dead, [str(journal), "--reason", "too tall"])
    assert isinstance(refused.exception, UserError) and "duplicate, too long" in str(refused.exception)


def test_dead_letters_are_asked_again_with_their_attempts_kept(tmp_path):
    path, ask = tmp_path / "a.sqlite", ["english", "--count", "20", "--provider", "storyteller", "--journal", str(tmp_path / "a.sqlite")]
    run(stories, *ask, "--min-words", 1000)
    assert state(path)["dead"] == 20
    run(retry, path, "--reason", "too short")
    assert (state(path)["dead"], state(path)["pending"]) == (0, 20)
    run(stories, *ask, "--allow", "words missing")
    found = state(path)
    assert (found["accepted"], found["dead"], found["attempts"]) == (20, 0, 40)
    with Journal.read(path) as journal:
        assert journal.meta("checks")["allow"] == ["words missing"]
        assert {known.attempts for known in journal.known([id_ for (id_,) in journal.accepted("id")]).values()} == {1}
