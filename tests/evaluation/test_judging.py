"""Judges through the engine: ratings that are the judge's, nothing asked twice, keys that go where they belong."""

import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from backend.errors import UserError
from evaluation.__main__ import evaluation
from evaluation.completions import read_all
from evaluation.judge import Question
from evaluation.ratings import read_ratings
from tests.evaluation.conftest import command, run_command
from tests.evaluation.judge_server import answer
from tests.evaluation.stories import told


def write_completions(path, count, model="small", openings=None):
    rows = [
        {"opening": f"शुरुआत {i // 3}", "completion": f" {story}", "model": model, "language": "hindi", "index": i % 3}
        for i, story in enumerate(told("hindi", count))
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def completions(tmp_path):
    return write_completions(tmp_path / "completions.jsonl", 60)


def test_every_story_gets_its_judges_own_grades(completions, tmp_path, judge_server):
    server = judge_server("--unreadable", 0.3)
    done = run_command(
        "judge", completions, "--provider", "openai", "--base-url", server.url, "--judge", "gpt-4o-mini", "--judge", "seven",
        "--repeats", 2, "--journal", tmp_path / "scores.sqlite",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "This run: 240 calls" in done.stderr and "gpt-4o-mini: 120 ratings" in done.stdout
    ratings = read_ratings(tmp_path / "scores.jsonl")
    assert len(ratings) == 240 == len({(r.story.key, r.judge, r.repeat) for r in ratings})
    stories = {item.key: item for item in read_all([completions])}
    for rating in ratings:
        prompt = Question(stories[rating.story.key], rating.judge, "paper", 0).messages[0]["content"]
        assert rating.scores == {name: float(grade) for name, grade in answer(rating.judge, prompt).items()}
        assert json.loads(rating.raw) == answer(rating.judge, prompt)
    # A story whose first answer was unreadable has cost two calls.
    assert {rating.input_tokens for rating in ratings} == {500, 1000}
    assert {rating.cost > 0 for rating in ratings if rating.judge == "gpt-4o-mini"} == {True}
    assert sorted(read_ratings(tmp_path / "scores.sqlite"), key=str) == sorted(ratings, key=str)


def test_kill_and_resume_asks_nothing_again_that_was_answered(completions, tmp_path, judge_server):
    server, journal = judge_server("--delay", 0.2), tmp_path / "scores.sqlite"
    arguments = (
        "judge", completions, "--provider", "openai", "--base-url", server.url, "--judge", "a", "--judge", "b",
        "--repeats", 3, "--concurrency", 8, "--journal", journal,
    )  # fmt: skip
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def saved():
        try:
            with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as connection:
                return {row[0] for row in connection.execute("SELECT id FROM items WHERE state = 'accepted'")}
        except sqlite3.Error:
            return set()

    while len(saved()) < 60:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = saved()
    assert len(before) < 360
    good = server.idle()["good"]
    waiting = sum(good.values()) - len(before)  # answers that were under way at the kill, and are lost
    assert 0 <= waiting <= 16  # two judges with a concurrency of 8
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr
    assert f"This run: {360 - len(before)} calls" in done.stderr
    ratings = read_ratings(tmp_path / "scores.jsonl")
    assert len(ratings) == 360
    assert sum(server.stats()["good"].values()) == 360 + waiting
    assert run_command(*arguments).returncode == 0
    assert sum(server.stats()["good"].values()) == 360 + waiting


def test_a_judge_with_its_own_address_gets_its_own_key_and_no_other(completions, tmp_path, judge_server):
    here, there = judge_server(), judge_server()
    done = run_command(
        "judge", completions, "--provider", "openai", "--base-url", here.url, "--judge", "mine", "--judge", f"theirs@{there.url}",
        "--judge", f"open@{there.url}", "--judge-key", "theirs=THEIR_KEY", "--header", "X-Extra: $EXTRA",
        "--journal", tmp_path / "scores.sqlite",
        OPENAI_API_KEY="sk-mine-1234", THEIR_KEY="sk-theirs-5678", EXTRA="extra-secret",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert here.stats()["keys"] == {"mine": ["Bearer sk-mine-1234"]}
    assert there.stats()["keys"] == {"theirs": ["Bearer sk-theirs-5678"], "open": ["Bearer none"]}
    kept = (tmp_path / "scores.sqlite").read_bytes() + done.stdout.encode() + done.stderr.encode()
    assert not any(secret in kept for secret in (b"sk-mine", b"sk-theirs", b"extra-secret"))


def test_a_judge_who_never_gives_a_score_is_left_behind(completions, tmp_path, judge_server):
    server = judge_server("--unreadable", 1.0)
    done = run_command(
        "judge", completions, "--provider", "openai", "--base-url", server.url, "--judge", "x", "--attempts", 1,
        "--journal", tmp_path / "scores.sqlite",
    )  # fmt: skip
    assert done.returncode == 1 and "None of the first" in done.stderr and "no score" in done.stderr
    assert "Traceback" not in done.stderr


def test_budget_stops_the_run_and_keeps_what_was_bought(completions, tmp_path, judge_server):
    server = judge_server()
    arguments = (
        "judge", completions, "--provider", "openai", "--base-url", server.url, "--judge", "gpt-4o", "--max-tokens", 100,
        "--concurrency", 2, "--journal", tmp_path / "scores.sqlite",
    )  # fmt: skip
    done = run_command(*arguments, "--max-cost", 0.06)
    assert done.returncode == 1 and "budget is spent" in done.stderr
    bought = read_ratings(tmp_path / "scores.sqlite")
    assert 0 < len(bought) < 60 and sum(rating.cost for rating in bought) <= 0.06
    assert run_command(*arguments).returncode == 0
    assert sum(server.stats()["good"].values()) == 60


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "Name at least one judge"),
        (("--judge", "a", "--judge", "a@http://127.0.0.1:1/v1"), "named twice"),
        (("--judge", "a@http://127.0.0.1:1/v1", "--judge-key", "a=NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE is not set"),
        (("--judge", "a", "--judge-key", "b=HOME"), "no judge of this run"),
    ],
)
def test_wrong_options_are_told_before_anything_is_asked(completions, tmp_path, arguments, complaint):
    with pytest.raises(UserError, match=complaint):
        ask_nobody(completions, tmp_path, *arguments)
    assert not (tmp_path / "s.sqlite").exists()


def test_the_same_place_twice_is_refused(completions, tmp_path):
    with pytest.raises(UserError, match="once more"):
        ask_nobody(completions, tmp_path, completions, "--judge", "a")


def ask_nobody(completions, tmp_path, *more):
    arguments = ["judge", completions, "--provider", "openai", "--base-url", "http://127.0.0.1:1/v1", *more]
    arguments += ["--journal", tmp_path / "s.sqlite"]
    evaluation.main(list(map(str, arguments)), standalone_mode=False)
