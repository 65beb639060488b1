"""Votes are kept, stuffing is held back, and the board finds the better model."""

import random
from dataclasses import replace

import numpy as np
import pytest

from spaces.leaderboard import standings
from spaces.votes import Vote, Votes

VOTE = Vote("1", "2026-01-01T00:00:00+00:00", "hindi", "एक दिन", "a", "b", "…", "…", "{}", "first", "visitor")


@pytest.fixture
def votes(tmp_path):
    return Votes(tmp_path)


def test_a_battle_is_voted_on_once_and_votes_outlive_the_app(votes, tmp_path):
    assert votes.add(VOTE, 30).discounted == ""
    assert votes.add(replace(VOTE, verdict="second"), 30) is None
    assert Votes(tmp_path).counted() == [("a", "b", "first", "visitor")]
    assert votes.counted("bangla") == []


def test_stuffing_is_kept_but_not_counted(votes):
    assert votes.add(replace(VOTE, id="hurried"), 0.5).discounted == "hurried"
    assert votes.add(replace(VOTE, id="first"), 30).discounted == ""
    assert votes.add(replace(VOTE, id="again", first="b", second="a"), 30).discounted == "repeated"
    kinds = [votes.add(replace(VOTE, id=f"n{i}", opening=f"{i}"), 30).discounted for i in range(40)]
    assert kinds.count("") == 19
    assert set(kinds) == {"", "many"}
    assert votes.add(replace(VOTE, id="other", visitor="somebody else"), 30).discounted == ""
    assert len(votes.counted()) == 21
    assert len(votes.all()) == 44


def test_a_visitor_s_name_says_nothing_of_the_address(votes, tmp_path):
    name = votes.pseudonym("203.0.113.9")
    assert name == votes.pseudonym("203.0.113.9") == Votes(tmp_path).pseudonym("203.0.113.9")
    assert name != votes.pseudonym("203.0.113.10")
    assert b"203.0.113.9" not in votes.path.read_bytes()


def _simulated(strengths, count, seed):
    dice, names = random.Random(seed), list(strengths)
    for number in range(count):
        first, second = dice.sample(names, 2)
        odds = 1 / (1 + np.exp(strengths[second] - strengths[first]))
        verdict = "tie" if dice.random() < 0.15 else ("first" if dice.random() < odds else "second")
        yield first, second, verdict, f"visitor {number % 40}"


def test_the_board_orders_models_and_its_intervals_hold_the_truth():
    strengths = {"a": 1.2, "b": 0.3, "c": -0.4, "d": -1.1}
    held = 0
    for seed in range(12):
        board = standings(list(_simulated(strengths, 600, seed)), n_bootstrap=100, seed=seed)
        assert [row.model for row in board] == ["a", "b", "c", "d"]
        assert sum(row.votes for row in board) == 1200
        # Ties pull the ratings together by their share.
        held += sum(row.low <= 1000 + 0.85 * 400 / np.log(10) * strengths[row.model] <= row.high for row in board)
    assert held >= 0.8 * 48


def test_few_votes_give_wide_intervals():
    board = standings([("a", "b", "first", "x"), ("a", "b", "second", "x"), ("a", "b", "first", "x")])
    assert board[0].model == "a"
    assert board[0].high - board[0].low > 150
    assert standings([]) == []
    alone = standings([("a", "b", "first", "x")] * 5)
    assert all(np.isfinite([row.rating, row.low, row.high]).all() for row in alone)
