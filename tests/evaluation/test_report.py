"""Reports: one page that needs nothing else, whose numbers are the ratings', and which shows stories as text only."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from backend.errors import UserError
from evaluation.__main__ import evaluation
from evaluation.analysis import MEAN_OF_FIVE, analyse
from evaluation.human import corrected_means
from evaluation.plots import heat_map
from evaluation.ratings import Rating, read_ratings, write_ratings
from evaluation.rubrics import CRITERIA
from evaluation.votes import voted_stories
from tests.evaluation.stories import told


def rated(model: str, mean: float, judges=("judge",), repeats=1, openings=30, seed=0) -> list[Rating]:
    """Ratings of one model: the same openings and stories for everyone, grades around a mean."""
    dice = np.random.default_rng(seed)
    stories = told("hindi", openings)
    found = []
    for i in range(openings):
        for judge in judges:
            for repeat in range(repeats):
                grades = {
                    name: float(np.clip(round(mean + i % 3 - 1 + dice.normal(0, 0.7)), 1, 10)) for name in CRITERIA
                }
                text = f"{stories[i]} <script>alert('{model}')</script>"
                found.append(Rating(model, "hindi", f"शुरुआत {i}", 0, judge, "paper", repeat, grades, completion=text))
    return found


@pytest.fixture
def runs(tmp_path):
    for model, mean in (("small [l=2, h=4, e=64]", 5), ("large [l=6, h=8, e=512]", 8)):
        write_ratings(tmp_path / f"{model[:5]}.jsonl", rated(model, mean, judges=("a", "b"), repeats=2))
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(evaluation, list(map(str, arguments)))


def test_a_comparison_is_one_page_that_needs_nothing_else(runs):
    done = invoke("compare", runs / "small.jsonl", runs / "large.jsonl", "--out", runs / "out")
    assert done.exit_code == 0, done.output
    page = (runs / "out" / "report.html").read_text("utf-8")
    assert not re.search(r"(?:src|href)=[\"'](?!#|data:)", page)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert page.count("<svg") >= 6
    for shown in (
        "judged by a",
        "judged by b",
        "Judges against each other",
        "The same openings",
        "not a judge",
        "hidden size",
    ):
        assert shown in page
    text = (runs / "out" / "report.md").read_text("utf-8")
    assert "| large" in text and "&lt;script&gt;" in text and "<script" not in text
    for shown in ("Judges against each other", "best,", "worst,", "Diversity"):
        assert shown.lower() in text.lower()
    plots = re.findall(r"!\[\w+\]\((.+?)\)", text)
    assert len(plots) == 8
    for plot in plots:
        drawn = (runs / "out" / plot).read_text("utf-8")
        assert drawn.startswith("<svg ") and 'xmlns="http://www.w3.org/2000/svg"' in drawn and "color: #" in drawn


def test_the_table_s_numbers_are_the_ratings(runs):
    assert invoke("report", runs / "small.jsonl", "--out", runs / "out").exit_code == 0
    ratings = rated("small [l=2, h=4, e=64]", 5, judges=("a", "b"), repeats=2)
    group = next(
        g for g in json.loads((runs / "out" / "report.json").read_text("utf-8"))["groups"] if g["judge"] == "a"
    )
    mine = [r for r in ratings if r.judge == "a"]
    for name in CRITERIA:
        assert group["models"][0]["means"][name][0] == pytest.approx(np.mean([r.scores[name] for r in mine]))
    five = np.mean([[r.scores[name] for name in CRITERIA[:5]] for r in mine])
    assert group["models"][0]["means"][MEAN_OF_FIVE][0] == pytest.approx(five)


def test_a_clear_difference_is_called_one_and_luck_is_not():
    found = analyse(rated("weak", 5) + rated("strong", 8, seed=1) + rated("strong too", 8, seed=2), n_bootstrap=2000)
    pairs = {(c["first"], c["second"]): c for c in found["groups"][0]["comparisons"]}
    assert pairs["strong", "weak"]["p_holm"] < 0.01 and pairs["strong", "weak"]["low"] > 2
    assert pairs["strong", "strong too"]["p_holm"] > 0.05


def test_what_one_opening_cannot_tell_is_left_open_and_never_a_number(tmp_path):
    write_ratings(tmp_path / "one.jsonl", [*rated("one", 5, openings=1), *rated("other", 7, openings=1), *rated("alone", 6, openings=40)[39:]])
    assert invoke("report", tmp_path / "one.jsonl", "--out", tmp_path / "out").exit_code == 0
    for name in ("report.html", "report.md"):
        page = (tmp_path / "out" / name).read_text("utf-8")
        assert not re.search(r"\bnan\b", page, re.IGNORECASE), name
        assert "(no interval)" in page, name

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    (group,) = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"), parse_constant=refuse)["groups"]
    assert group["models"][0]["means"]["overall"][1:] == [None, None]


def test_models_that_a_judge_never_tells_apart_make_a_report(tmp_path):
    same = [replace(r, scores=dict.fromkeys(CRITERIA, 7.0)) for name in "abcd" for r in rated(name, 7)]
    found = analyse([*same, *rated("e", 5)], n_bootstrap=500)["groups"][0]
    assert found["power"] == {}
    assert next(c for c in found["comparisons"] if (c["first"], c["second"]) == ("a", "b"))["effect_size"] == 0


def test_repeats_of_one_story_are_no_two_stories_of_an_opening():
    ratings = [replace(r, completion="शब्द " * int(10 * r.scores["overall"])) for r in rated("model", 6, openings=40)]
    again = [replace(r, repeat=1) for r in ratings]
    once, twice = (analyse(some, n_bootstrap=200)["groups"][0]["models"][0]["length_bias"] for some in (ratings, ratings + again))
    assert once == twice == pytest.approx(1.0)


def test_the_heat_map_shows_all_models_of_a_size():
    """Two models of one size differ in their heads: neither may hide the other."""
    found = {"means": {"overall": [4.0, 4, 4]}, "configuration": {"layers": 2, "heads": 2, "hidden": 64}}
    other = {"means": {"overall": [8.0, 8, 8]}, "configuration": {"layers": 2, "heads": 8, "hidden": 64}}
    assert ">6.00<" in heat_map([found, other])


def test_two_ratings_in_one_place_are_refused(runs):
    done = invoke("compare", runs / "small.jsonl", runs / "small.jsonl", "--out", runs / "out")
    assert isinstance(done.exception, UserError) and "rated twice" in str(done.exception)


def test_the_paper_s_ratings_make_a_report_without_any_text(tmp_path):
    rows = [
        dict.fromkeys(CRITERIA, "7") | {"ID": f"Prompt[{i}] - Story[{j}] | Prompt: वह {i}"}
        for i in (1, 2, 3)
        for j in (1, 2, 3)
    ]
    path = tmp_path / "eval-beng-sample-ckpt_sarvam_[2M]_[l=6, h=8, e=512].json"
    path.write_text(json.dumps(rows), "utf-8")
    done = invoke("report", path, "--out", tmp_path / "out")
    assert done.exit_code == 0 and "bangla" in done.output and "7.00 (7.00 … 7.00)" in done.output


def test_human_grades_correct_a_flattering_judge():
    ratings = rated("model", 8, openings=60)
    votes = {("model", r.opening, 0): r.scores["overall"] - 2 for r in ratings[:20]}
    (row,) = corrected_means(ratings, votes)
    assert row["mean"] == pytest.approx(row["judge_mean"] - 2, abs=0.3)
    assert row["low"] < row["mean"] < row["high"] and row["votes"] == 20


def test_readers_who_prefer_the_other_model_turn_the_judge_s_order(tmp_path):
    """The judge's grades put `kind` above `plain` on every opening; on the stories that readers saw, they said the contrary."""
    for name, shift in (("run", 0), ("seen", 100)):
        both = [*rated("kind", 8, openings=30), *rated("plain", 5, openings=30)]
        write_ratings(tmp_path / f"{name}.jsonl", [replace(r, opening=f"{r.opening} {shift}") for r in both])
    seen = {(r.model, r.opening): r for r in read_ratings(tmp_path / "seen.jsonl")}
    votes = []
    for i in range(12):
        stories = [seen[model, f"शुरुआत {i} 100"].completion for model in ("plain", "kind")]
        row = {"language": "hindi", "opening": f"शुरुआत {i} 100", "first": "plain", "second": "kind", "verdict": "first"}
        votes.append(row | {"first_story": stories[0], "second_story": f" {stories[1]}"})
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in votes), "utf-8")
    assert len(voted_stories(tmp_path / "votes.jsonl")) == 24
    arguments = ("report", tmp_path / "run.jsonl", "--out", tmp_path / "out", "--votes", tmp_path / "votes.jsonl")
    assert "--voted" in str(invoke(*arguments).exception)
    assert invoke(*arguments, "--voted", tmp_path / "seen.jsonl").exit_code == 0
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["human"]
    assert row["model"] == "kind above plain" and row["votes"] == 12
    assert row["judge_mean"] > 0.9 and row["human_mean"] == 0 and row["mean"] < 0.2
    assert "kind above plain" in (tmp_path / "out" / "report.html").read_text("utf-8")
