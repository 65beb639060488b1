"""The statistics tell the truth about simulated judges whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from evaluation.agreement import agreement, length_bias
from evaluation.human import correct_with_votes
from evaluation.statistics import (
    compare_models,
    holm,
    mean_intervals,
    openings_needed,
    paired_intervals,
    sign_flip_test,
    smallest_difference,
)

SIMULATIONS = 3000


def judge(mean, openings, stories, columns, dice, opening_effect=1.0):
    """Grades 1…10 (openings, stories, columns): some openings are easier, stories vary, grades are whole numbers."""
    effect = dice.normal(0, opening_effect, (openings, 1, columns))
    return np.clip(np.round(mean + effect + dice.normal(0, 1.5, (openings, stories, columns))), 1, 10)


@pytest.mark.parametrize("openings", [15, 80])
def test_intervals_cover_the_truth_as_often_as_they_promise(openings):
    dice = np.random.default_rng(1)
    grades = judge(7, openings, 3, SIMULATIONS, dice)
    truth = judge(7, 400_000, 1, 1, dice).mean()
    found = mean_intervals(grades.reshape(-1, SIMULATIONS), np.repeat(np.arange(openings), 3), n_bootstrap=2000)
    assert 0.93 <= ((found.low <= truth) & (truth <= found.high)).mean() <= 0.97


def test_intervals_that_ignored_the_openings_would_not():
    dice = np.random.default_rng(1)
    grades = judge(7, 80, 3, SIMULATIONS, dice, opening_effect=2.0).reshape(-1, SIMULATIONS)
    truth = judge(7, 400_000, 1, 1, dice, opening_effect=2.0).mean()
    naive = mean_intervals(grades, np.arange(240), n_bootstrap=1000)
    assert ((naive.low <= truth) & (truth <= naive.high)).mean() < 0.90


def test_paired_test_cries_wolf_one_time_in_twenty():
    dice = np.random.default_rng(2)
    effect = dice.normal(0, 1, (60, 1, SIMULATIONS))
    first, second = (
        np.clip(np.round(7 + effect + dice.normal(0, 1.5, (60, 3, SIMULATIONS))), 1, 10).mean(1) for _ in range(2)
    )
    differences = first - second
    assert 0.04 <= (sign_flip_test(differences, 2000) < 0.05).mean() <= 0.06
    found = paired_intervals(differences, n_bootstrap=2000)
    assert 0.93 <= ((found.low <= 0) & (found.high >= 0)).mean() <= 0.97


def test_a_real_difference_is_found_and_survives_the_correction():
    dice = np.random.default_rng(3)
    grades = np.concatenate([judge(mean, 100, 3, 1, dice) for mean in (6, 6, 7)], axis=2).reshape(-1, 3)
    found = {(c.first, c.second): c for c in compare_models(grades, np.repeat(np.arange(100), 3), n_resamples=2000)}
    assert found[0, 2].p_holm < 0.01 and found[0, 2].high < 0 and found[0, 2].effect_size < -0.3
    assert found[0, 1].p_holm > 0.05 and found[0, 1].low < 0 < found[0, 1].high


def test_only_openings_that_both_models_have_are_compared():
    grades = np.array([[5.0, 4.0], [5.0, np.nan], [np.nan, 9.0], [6.0, 5.0], [7.0, 6.0]])
    (found,) = compare_models(grades, ["a", "b", "c", "d", "e"], n_resamples=500)
    assert found.openings == 3 and found.difference == pytest.approx(1.0)


def test_models_without_common_openings_cost_the_others_no_correction():
    grades = np.full((40, 3), np.nan)
    grades[:30, 0], grades[:30, 1], grades[30:, 2] = 6 + np.arange(30) % 3, 5, 7
    alone, *untold = compare_models(grades, np.arange(40), n_resamples=2000)
    assert alone.p_holm == alone.p_value < 0.01
    assert all(pair.openings == 0 and np.isnan(pair.difference) and pair.p_holm == 1 for pair in untold)


def test_d_of_differences_that_never_vary_is_left_open():
    (found,) = compare_models(np.array([[6.0, 5.0]] * 10), np.arange(10), n_resamples=500)
    assert found.difference == 1 and np.isnan(found.effect_size)


def test_same_seed_same_numbers():
    grades = judge(5, 20, 3, 2, np.random.default_rng(4)).reshape(-1, 2)
    first, second = (mean_intervals(grades, np.repeat(np.arange(20), 3), n_bootstrap=500, seed=7) for _ in range(2))
    assert (first.low == second.low).all() and (first.high == second.high).all()


def test_holm_against_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_number_of_openings_needed_gives_the_power_asked_for():
    n = openings_needed(0.25, 1.0, power=0.8)
    dice = np.random.default_rng(5)
    draws = dice.normal(0.25, 1.0, (n, 4000))
    assert 0.78 <= (stats.ttest_1samp(draws, 0).pvalue < 0.05).mean() <= 0.82
    assert smallest_difference(1.0, n) == pytest.approx(0.25, rel=0.01)
    few = smallest_difference(0.5, 2)
    draws = dice.normal(few, 0.5, (2, 4000))
    assert 0.78 <= (stats.ttest_1samp(draws, 0).pvalue < 0.05).mean() <= 0.82


def test_agreement_knows_agreement_from_chance():
    dice = np.random.default_rng(6)
    truth = dice.integers(1, 11, 500).astype(float)
    close = np.clip(truth + dice.integers(-1, 2, 500), 1, 10)
    assert agreement(np.stack([truth, truth])).alpha == pytest.approx(1)
    assert agreement(np.stack([truth, close])).alpha > 0.9
    assert abs(agreement(np.stack([truth, dice.permutation(truth)])).alpha) < 0.1
    assert np.isnan(agreement(np.full((2, 5), 8.0)).alpha)


def test_length_bias_is_seen_within_openings_only():
    dice = np.random.default_rng(7)
    openings = np.repeat(np.arange(100), 3)
    lengths = dice.normal(200, 30, 300)
    fair = np.repeat(dice.normal(7, 1, 100), 3) + dice.normal(0, 1, 300)
    assert abs(length_bias(fair, lengths, openings)) < 0.15
    assert length_bias(fair + lengths / 20, lengths, openings) > 0.5


def test_human_votes_correct_a_judge_who_flatters():
    dice = np.random.default_rng(8)
    covered, narrower = 0, 0
    for _ in range(1000):
        truth = dice.normal(6, 1.5, 640)
        grades = truth + 1.5 + dice.normal(0, 0.7, 640)  # one and a half grades too kind
        votes = truth[:60] + dice.normal(0, 0.5, 60)
        found = correct_with_votes(votes, grades[:60], grades[60:])
        covered += found.low <= 6 <= found.high
        alone = stats.t.interval(0.95, 59, votes.mean(), stats.sem(votes))
        narrower += found.high - found.low < alone[1] - alone[0]
    assert 0.93 <= covered / 1000 <= 0.97
    assert narrower > 990


@pytest.mark.parametrize(
    ("seed", "voted", "of_openings", "of_stories", "of_grades"),
    [
        (10, np.repeat(np.arange(115), 3) < 15, 0.7, 1, 1),
        (11, np.tile([True, False, False], 40), 1, 0.7, 0.8),
    ],
    ids=["all stories of few openings", "one story of every opening"],
)
def test_votes_on_some_of_three_stories_an_opening_still_give_an_honest_interval(seed, voted, of_openings, of_stories, of_grades):
    dice, covered, n_openings = np.random.default_rng(seed), 0, len(voted) // 3
    openings = np.repeat(np.arange(n_openings), 3)
    for _ in range(1000):
        truth = 7 + np.repeat(dice.normal(0, of_openings, n_openings), 3) + dice.normal(0, of_stories, len(voted))
        grades = truth + 1.2 + dice.normal(0, of_grades, len(voted))
        found = correct_with_votes(truth[voted], grades[voted], grades[~voted], openings[voted], openings[~voted])
        covered += found.low <= 7 <= found.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_a_judge_who_knows_nothing_costs_the_votes_little():
    dice = np.random.default_rng(9)
    votes, grades = dice.integers(0, 2, 200).astype(float), dice.normal(size=2000)
    found = correct_with_votes(votes, grades[:200], grades[200:])
    assert found.weight < 0.2 and abs(found.mean - votes.mean()) < 0.02
