"""Commands that join several parts: pairs, the ladder by judges, whole runs, examples."""

import json
import sqlite3

import pytest

from backend.errors import UserError
from backend.languages import load_language
from evaluation.commands.run import _enter
from evaluation.ladder import build_ladder
from evaluation.votes import read_preferences
from tests.evaluation.conftest import run_command
from tests.evaluation.judge_server import quality
from tests.evaluation.stories import told
from tests.evaluation.test_judging import write_completions

VOTES = """CREATE TABLE votes (id TEXT PRIMARY KEY, at TEXT, language TEXT, opening TEXT, first TEXT, second TEXT,
first_story TEXT, second_story TEXT, settings TEXT, verdict TEXT, visitor TEXT, discounted TEXT)"""


@pytest.fixture
def two(tmp_path):
    """Completions of two models; the second's are other stories of the same openings."""
    first = write_completions(tmp_path / "a.jsonl", 30, "a")
    rows = [json.loads(line) for line in first.read_text("utf-8").splitlines()]
    other = told("hindi", 60)[30:]
    second = tmp_path / "b.jsonl"
    second.write_text(
        "".join(
            json.dumps(row | {"model": "b", "completion": f" {text}"}, ensure_ascii=False) + "\n"
            for row, text in zip(rows, other, strict=True)
        ),
        "utf-8",
    )
    return first, second


def write_votes(path, count):
    """Readers who see what the server's hashing judge does not: b is better, whichever stands first; some votes do not count."""
    with sqlite3.connect(path) as connection:
        connection.execute(VOTES)
        insert = f"INSERT INTO votes VALUES ({', '.join('?' * 12)})"  # noqa: S608
        for i, story in enumerate(told("hindi", count)):
            swap = i % 2
            models, stories = ("b", "a")[:: 1 - 2 * swap], (story, story[::-1])
            row = (i, "", "hindi", f"और {i}", *models, *stories, "{}", "second" if swap else "first", "v", "")
            connection.execute(insert, row)
        hurried = (count, "", "hindi", "o", "a", "b", "x", "y", "{}", "first", "v", "hurried")
        connection.execute(insert, hurried)
    return path


def test_pairs_are_asked_in_both_orders_and_corrected_by_votes(two, tmp_path, judge_server):
    server, votes = judge_server("--unreadable", 0.2), write_votes(tmp_path / "votes.sqlite", 12)
    arguments = (
        "pairwise", *two, "--provider", "openai", "--base-url", server.url, "--judge", "gpt-4o", "--judge", "first",
        "--votes", votes, "--written-by", "a=gpt-4o-mini", "--journal", tmp_path / "p.sqlite", "--out", tmp_path / "p.json",
    )  # fmt: skip
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr
    rows = {row["judge"]: row for row in json.loads((tmp_path / "p.json").read_text("utf-8"))}
    stories = [[json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in two]
    worth = [[quality(row["opening"] + row["completion"]) for row in side] for side in stories]
    expected = sum(a >= b for a, b in zip(*worth, strict=True)) / 30
    assert rows["gpt-4o"]["win_rate"] == pytest.approx(expected) and rows["gpt-4o"]["consistent"] == 1
    assert rows["first"]["win_rate"] == 0.5 and rows["first"]["prefers_first_shown"] == 1
    assert rows["gpt-4o"]["own"] == ["a"] and rows["gpt-4o"]["own_excess"][0] == pytest.approx(expected - 0.5)
    assert rows["first"]["own_excess"] is None
    # All twelve readers chose b: the corrected rate of a falls from the judge's towards theirs.
    assert rows["gpt-4o"]["corrected"]["votes"] == 12 and rows["gpt-4o"]["corrected"]["human_mean"] == 0
    assert rows["gpt-4o"]["corrected"]["mean"] < expected - 0.2
    asked = sum(server.stats()["good"].values())
    assert asked == 2 * 2 * (30 + 12)
    assert run_command(*arguments).returncode == 0 and sum(server.stats()["good"].values()) == asked


def test_votes_of_the_compare_tab_are_turned_to_alphabetical_pairs(tmp_path):
    found = read_preferences(write_votes(tmp_path / "votes #1?.sqlite", 6))
    assert len(found) == 6
    assert all(vote.pair.models == ("a", "b") and vote.worth == 0 for vote in found)
    for row in ('{"verdict": "first"}', '{"verdict": ["first"]}', json.dumps(dict.fromkeys(("opening", "language", "first", "second", "first_story", "second_story"), 1) | {"verdict": "tie"})):
        (tmp_path / "v.jsonl").write_text(row + "\n", "utf-8")
        with pytest.raises(UserError, match="row 1"):
            read_preferences(tmp_path / "v.jsonl")


def test_a_ladder_of_judges_names_who_is_blind(tmp_path, judge_server):
    server = judge_server()
    done = run_command(
        "ladder", "english", "--count", 6, "--provider", "openai", "--base-url", server.url, "--judge", "seven",
        "--judge", "length", "--journal", tmp_path / "l.sqlite", "--out", tmp_path / "l.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seven, length = json.loads((tmp_path / "l.json").read_text("utf-8"))
    assert all(rung["blind"] for rung in seven["rungs"])
    seen = {rung["kind"] for rung in length["rungs"] if not rung["blind"]}
    assert {"middle removed", "cut off"} <= seen and not seen & {"shuffled", "wrong forms"}
    assert length["drops"]["grammar"]["cut off"] > 2
    ladder = build_ladder(told("english", 20), told("hindi", 5), load_language("english"), count=6)
    assert len({item.key for item in ladder}) == len(ladder)


def test_a_run_goes_from_a_model_s_name_to_a_report_and_on_where_it_stopped(tiny_model, tmp_path, judge_server):
    server, openings, out = judge_server(), tmp_path / "openings.txt", tmp_path / "run"
    openings.write_text("एक दिन मीना\nजंगल में एक शेर\nनदी के पास\n", "utf-8")
    arguments = ("run", "--model", tiny_model, "--language", "hindi", "--openings", openings, "--out", out)
    judges = ("--provider", "openai", "--base-url", server.url, "--judge", "gpt-4o-mini")
    sampling = ("--", "--max-tokens", 30)
    offline = run_command(*arguments, "--count", 2, *sampling)
    assert offline.returncode == 0 and "not a judge" in offline.stdout, offline.stderr
    assert run_command(*arguments, "--count", 2, *judges, *sampling).returncode == 0
    done = run_command(*arguments, "--count", 3, *judges, *sampling)
    assert done.returncode == 0 and "This run: 3 calls" in done.stderr, done.stderr
    assert sum(server.stats()["good"].values()) == 9
    page = (out / "report" / "report.html").read_text("utf-8")
    assert "judged by gpt-4o-mini" in page and "layers 1, heads 2, hidden 32" in page
    assert json.loads((out / "run.json").read_text("utf-8"))["seconds"].keys() == {"sampling", "judging"}
    assert run_command("report", out / "ratings.jsonl", "--card", tiny_model, "--out", tmp_path / "again").returncode == 0
    assert "model-index" in (tiny_model / "README.md").read_text("utf-8")


def test_a_run_s_folder_is_not_taken_by_another(tmp_path):
    from backend.slm.catalog import ModelFolder

    here = ModelFolder(tmp_path, "m")
    _enter(tmp_path / "run", here, "hindi", tmp_path / "o.txt", 3, ("--seed", "1"))
    _enter(tmp_path / "run", here, "hindi", tmp_path / "o.txt", 5, ("--seed", "1"))
    with pytest.raises(UserError, match="another sampling"):
        _enter(tmp_path / "run", here, "hindi", tmp_path / "o.txt", 3, ("--seed", "2"))


def test_examples_stand_side_by_side_as_they_came(two, tmp_path):
    done = run_command("examples", *two, "--count", 4, "--out", tmp_path / "e.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "e.html").read_text("utf-8")
    assert page.count('<h3 class="opening">') == 4 and page.count('<div class="story">') == 8
    assert run_command("examples", *two, "--out", tmp_path / "e.md").returncode == 0
    text = (tmp_path / "e.md").read_text("utf-8")
    assert told("hindi", 1)[0].splitlines()[0] in text and "**b**" in text
    assert run_command("examples", two[0], "--out", tmp_path / "none.html").returncode == 1
