"""What `status` says of a run that goes on, and of one that does not."""

import json

from click.testing import CliRunner

from backend.llm.journal import Journal
from datagen.plan import Plan, enter_plan, prompts_left
from datagen.progress import status
from tests.datagen.journals import told, write

ENDPOINTS = [
    {"endpoint": "http://a/v1", "concurrency": 64, "under_way": 7, "paused": 3.5, "dead": False},
    {"endpoint": "http://b/v1", "concurrency": 1, "under_way": 0, "paused": 0.0, "dead": True},
]


def said(path, *options) -> str:
    done = CliRunner().invoke(status, [str(path), *options], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_run_tells_its_rate_the_time_left_and_its_endpoints(tmp_path):
    path = write(tmp_path / "a.sqlite", "english", told("english", 10))
    with Journal.create_or_open(path) as journal:
        enter_plan(Plan("english", "2+", 0, 1000), journal)
        journal.note({"running": True, "at": 0.0, "under_way": 7, "endpoints": ENDPOINTS}, {"rate_limited": 2})
        found, lines = json.loads(said(path, "--json")), said(path).splitlines()
    assert found["running"] and 0 < found["per_minute"] <= 600
    assert abs(found["seconds_left"] - 990 / found["per_minute"] * 60) <= 1
    assert "running: yes" in lines and "rate limited: 2" in lines and "under way: 7" in lines
    assert any(line.startswith("per minute: ") for line in lines) and any(line.startswith("time left: 0") for line in lines)
    assert "endpoint: http://a/v1: 7 of at most 64 calls under way, paused for 3.5 s" in lines
    assert "endpoint: http://b/v1: 0 of at most 1 calls under way, dead, tried from time to time" in lines


def test_a_run_that_has_ended_nothing_yet_says_so_and_one_that_was_killed_is_none(tmp_path):
    path = tmp_path / "a.sqlite"
    with Journal.create_or_open(path) as journal:
        enter_plan(Plan("english", "2+", 0, 10), journal)
        journal.note({"running": True, "at": 0.0, "under_way": 7, "endpoints": ENDPOINTS}, {})
        assert "time left: not known yet" in said(path)
    assert "running: no" in said(path) and "under way" not in said(path) and "per minute" not in said(path)


def test_what_ended_before_the_clock_was_put_back_is_no_rate(tmp_path):
    path = write(tmp_path / "a.sqlite", "english", told("english", 10))
    with Journal.create_or_open(path) as journal:
        journal.connection.execute("UPDATE items SET ended_at = ended_at + 3600")
        assert json.loads(said(path, "--json"))["per_minute"] is None


def test_what_is_left_is_counted_for_the_plan_that_is_asked_for(tmp_path):
    path = write(tmp_path / "a.sqlite", "english", told("english", 10))
    with Journal.create_or_open(path) as journal:
        for plan, left in (
            (Plan("english", "2+", 0, 10), 0), (Plan("english", "2+", 0, 30), 20), (Plan("english", "2+", 0, 4), 0),
            (Plan("english", "2", 0, 7), 7), (Plan("english", "2+", 0, 30, 1, 3), 7),
        ):  # fmt: skip
            enter_plan(plan, journal)
            assert prompts_left(plan, journal) == left
