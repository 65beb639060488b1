"""Runs against a server that fails in every way that servers do: each prompt ends once, and nothing is paid for twice."""

import json
import random
import resource
import signal
import time

import pytest

from backend.llm.journal import Journal
from datagen.prompts import Prompts
from tests.backend.llm.warm import Command

KILLS = 20


def start(journal, *urls, count=120, **options) -> Command:
    line = ["stories", "english", "--count", count, "--provider", "openai", "--model", "m"]
    for url in urls:
        line += ["--base-url", url]
    for name, value in {"journal": journal, "first_byte_timeout": 30, **options}.items():
        line += [f"--{name.replace('_', '-')}", value]
    return Command(line)


def run(*arguments, **options) -> Command:
    return start(*arguments, **options).end()


def ended(path) -> dict[str, str]:
    with Journal.read(path) as journal:
        return dict(journal.connection.execute("SELECT id, state FROM items"))


def test_every_prompt_ends_as_one_story_whatever_the_server_does(fault_server, tmp_path):
    server, path = fault_server("--faults", 0.3, "--pause", 0.1), tmp_path / "a.sqlite"
    done = run(path, server.url, allow="words missing", first_byte_timeout=2)
    assert done.returncode == 0, done.stderr
    states, stats = ended(path), server.stats()
    assert len(states) == 120 and set(states.values()) <= {"accepted", "dead"}
    assert list(states.values()).count("accepted") >= 118
    assert max(stats["good"].values()) == 1, "a good answer was thrown away and paid for again"
    with Journal.read(path) as journal:
        rejected = journal.tallies()
        texts = [text for (text,) in journal.accepted("text")]
    for reason in ("too short", "truncated", "empty", "duplicate", "unreadable answer", "timed out", "connection broken", "status 500", "status 503"):
        assert rejected.get(f"rejected: {reason}"), (reason, dict(rejected))
    assert len(texts) == len(set(texts))
    assert rejected["rate_limited"] == stats["calls"]["limited"]


def test_a_run_that_is_killed_again_and_again_loses_and_repeats_nothing(fault_server, tmp_path):
    server, path, dice = fault_server("--faults", 0.2, "--pause", 0.05, "--delay", 0.05, "--stall", 2), tmp_path / "a.sqlite", random.Random(3)
    count, kills, safe, lost = 200, 0, {}, {}
    ids = {prompt.text: prompt.id for prompt in Prompts("english").range(0, count)}
    while True:
        process = start(path, server.url, count=count, first_byte_timeout=1, concurrency=8, allow="words missing")
        goal = sum(server.stats()["calls"].values()) + dice.randrange(2, 12) if kills < KILLS else 10**9
        while process.poll() is None and sum(server.stats()["calls"].values()) < goal:
            time.sleep(0.01 + dice.random() * 0.04)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        while server.stats()["open"]:  # calls whose caller is dead
            time.sleep(0.01)
        good = {ids[text]: times for text, times in server.stats()["good"].items()}
        accepted = {id_ for id_, state in ended(path).items() if state == "accepted"} if path.exists() else set()
        safe |= {id_: good.get(id_, 0) for id_ in accepted - safe.keys()}  # 0: the first of the duplicates
        lost |= {id_: good[id_] for id_ in good.keys() - accepted}  # answered, and not on the disk
    assert process.returncode == 0 and kills == KILLS
    with Journal.read(path) as journal:
        states = {id_: (state, reason) for id_, state, reason in journal.connection.execute("SELECT id, state, reason FROM items")}
        assert journal.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert dict(journal.accepted("id, text")).keys() == {id_ for id_, (state, _) in states.items() if state == "accepted"}
    assert len(states) == count and all(state == "accepted" or (state == "dead" and reason) for state, reason in states.values())
    good = {ids[text]: times for text, times in server.stats()["good"].items()}
    assert all(good.get(id_, 0) == times for id_, times in safe.items()), "an accepted answer was paid for again"
    assert all(times - 1 <= lost.get(id_, 0) for id_, times in good.items()), "more was paid for twice than was under way"


def test_what_is_accepted_is_never_asked_again(fault_server, tmp_path):
    server, path = fault_server(), tmp_path / "a.sqlite"
    assert run(path, server.url, count=60).returncode == 0
    assert run(path, server.url, count=60).returncode == 0
    assert set(server.stats()["good"].values()) == {1}


def test_ctrl_c_finishes_what_is_under_way_and_the_run_goes_on(fault_server, tmp_path):
    server, path = fault_server("--delay", 0.3), tmp_path / "a.sqlite"
    process = start(path, server.url, count=100)
    while server.stats()["open"] < 10:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    told = process.end().stderr
    assert process.returncode == 130 and "goes on from there" in told and "Traceback" not in told
    accepted = list(ended(path).values()).count("accepted")
    assert 0 < accepted < 100 and accepted == sum(server.stats()["good"].values())
    assert run(path, server.url, count=100).returncode == 0
    assert set(server.stats()["good"].values()) == {1} and len(ended(path)) == 100


def test_two_processes_do_not_share_a_journal(fault_server, tmp_path):
    server, path = fault_server("--delay", 1), tmp_path / "a.sqlite"
    first = start(path, server.url)
    try:
        while not server.stats()["open"]:
            time.sleep(0.01)
        second = run(path, server.url)
        assert second.returncode == 1 and "is being written by another process" in second.stderr
        told = Command(["status", path, "--json"]).end()
        assert json.loads(told.stdout)["running"] is True
    finally:
        first.kill()
        first.wait()


def test_a_pause_stops_everybody_and_costs_nobody_an_attempt(fault_server, tmp_path):
    server, path = fault_server("--rpm", 600, "--burst", 20), tmp_path / "a.sqlite"
    done = run(path, server.url, count=60, attempts=1)
    assert done.returncode == 0, done.stderr
    assert set(ended(path).values()) == {"accepted"} and server.stats()["calls"]["limited"] > 0


def test_limits_told_in_headers_are_kept(fault_server, tmp_path):
    server, path = fault_server("--rpm", 1200, "--burst", 40, "--tell-limits"), tmp_path / "a.sqlite"
    assert run(path, server.url, count=100).returncode == 0
    assert server.stats()["calls"].get("limited", 0) == 0
    times = server.stats()["times"]
    assert (len(times) - 20) / (times[-1] - times[0]) <= 1200 / 60 * 1.05


def test_a_dead_endpoint_is_left_for_the_others(fault_server, tmp_path):
    alive, dead, path = fault_server("--delay", 0.02), fault_server(), tmp_path / "a.sqlite"
    dead.stop()
    done = run(path, dead.url, alive.url, count=150)
    assert done.returncode == 0, done.stderr
    assert set(ended(path).values()) == {"accepted"}


def test_an_outage_uses_up_nobodys_attempts_and_ends_the_run_with_a_sentence(fault_server, tmp_path):
    server, path = fault_server(), tmp_path / "a.sqlite"
    server.stop()
    done = run(path, server.url, count=100, attempts=3, patience=2)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("Error: No endpoint has answered")
    assert "dead" not in ended(path).values()


def test_a_wrong_key_stops_at_once_and_is_shown_nowhere(fault_server, tmp_path):
    server, path = fault_server("--key", "another"), tmp_path / "a.sqlite"
    done = run(path, server.url)
    assert done.returncode == 1 and "401" in done.stderr and "Traceback" not in done.stderr
    assert "sk-the-key-of-this-test" not in done.stderr + done.stdout
    assert b"sk-the-key-of-this-test" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert sum(server.stats()["calls"].values()) == 0


def test_an_endpoint_without_structured_output_is_asked_plainly(fault_server, tmp_path):
    server, path = fault_server("--formats", "none"), tmp_path / "a.sqlite"
    assert run(path, server.url, count=100).returncode == 0
    assert set(ended(path).values()) == {"accepted"}
    assert server.stats()["calls"]["response_format"] < 100


def test_answers_that_cannot_be_used_stop_the_run_before_it_has_cost_much(fault_server, tmp_path):
    server, path = fault_server("--faults", 0, "--script", ",".join(["not json"] * 2000)), tmp_path / "a.sqlite"
    done = run(path, server.url, count=1000, attempts=2)
    assert done.returncode == 1 and "too short" in done.stderr
    assert sum(server.stats()["calls"].values()) < 500


def test_a_budget_is_never_overspent(fault_server, tmp_path):
    server, path = fault_server("--delay", 0.02), tmp_path / "a.sqlite"
    prices = tmp_path / "prices.yaml"
    prices.write_text("m: [1.0, 2.0]\n")
    done = run(path, server.url, count=1000, prices=prices, max_cost=0.1, max_tokens=400, confirm_above=100)
    assert done.returncode == 1 and "The budget is spent" in done.stderr
    with Journal.read(path) as journal:
        cost = journal.tallies()["cost"]
    assert 0.08 < cost <= 0.1
    again = run(path, server.url, count=1000, prices=prices, max_cost=0.1, max_tokens=400, confirm_above=100)
    assert again.returncode == 1 and sum(server.stats()["good"].values()) * 0.0008 == pytest.approx(cost)


def test_a_dear_run_is_not_begun_unasked(fault_server, tmp_path):
    server, path = fault_server(), tmp_path / "a.sqlite"
    prices = tmp_path / "prices.yaml"
    prices.write_text("m: [1000.0, 2000.0]\n")
    done = run(path, server.url, prices=prices)
    assert done.returncode == 1 and "--yes" in done.stderr and not server.stats()["calls"]
    assert run(path, server.url, max_cost=1).returncode == 1, "a bound without a price bounds nothing"


def test_a_full_disk_loses_no_answer_that_was_saved(fault_server, tmp_path):
    """The file may not grow any more, as on a full disk: SQLite says so in the same words."""
    server, path = fault_server("--delay", 0.2), tmp_path / "a.sqlite"
    process = start(path, server.url, count=400, patience=1)
    while not server.stats()["open"]:
        time.sleep(0.01)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (400_000, 400_000))
    told = process.end().stderr
    assert process.returncode == 1 and "cannot be written" in told and "Traceback" not in told
    before = [id_ for id_, state in ended(path).items() if state == "accepted"]
    assert run(path, server.url, count=400).returncode == 0
    after = ended(path)
    assert len(after) == 400 and set(after.values()) == {"accepted"} and set(before) <= set(after)
