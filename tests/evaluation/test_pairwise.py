"""Pairs: a judge that likes what it sees first, or what is long, is found out."""

import numpy as np
import pytest

from evaluation.pairwise import Verdict, pair_prompt, read_preference, win_rate

FORM = 'I shall answer {"reason": "one sentence", "better": "A" or "B" or "tie"}. '


def simulate(quality, position=0.0, length=0.0, pairs=2000, longer=0.0):
    """Verdicts of a judge with these preferences on two models; `longer`: how much longer the first one writes."""
    dice = np.random.default_rng(0)
    found = []
    for i in range(pairs):
        difference = dice.normal(longer, 40)
        drive = quality + length * np.tanh(difference / 40) + dice.normal(0, 1)
        found.append(Verdict(f"o{i}", float(drive + position > 0), float(drive - position > 0), int(difference)))
    return win_rate(found)


def test_a_judge_that_only_looks_at_the_order_decides_nothing():
    found = simulate(0, position=50)
    assert found.win_rate == 0.5 and found.consistent == 0 and found.prefers_first_shown == 1


def test_a_better_model_wins_in_both_orders():
    found = simulate(1, position=0.3)
    assert found.low > 0.7 and found.consistent > 0.7 and 0 < found.prefers_first_shown < 0.4


def test_a_win_bought_with_length_vanishes_at_equal_length():
    found = simulate(0, length=3, longer=40)
    assert found.win_rate > 0.7
    assert found.length_controlled == pytest.approx(0.5, abs=0.08)
    fair = simulate(1, longer=40)
    assert fair.length_controlled == pytest.approx(fair.win_rate, abs=0.05)


def test_one_that_always_wins_is_still_finite():
    assert 0.9 < win_rate([Verdict(f"o{i}", 1, 1, i) for i in range(50)]).length_controlled <= 1


@pytest.mark.parametrize(
    ("answer", "preference"),
    [('{"reason": "x", "better": "A"}', 1), ('```json\n{"better":"b"}```', 0), ('{"better": "tie"}', 0.5), (FORM + '{"better": "B"}', 0)],
)
def test_answers_are_read(answer, preference):
    assert read_preference(answer) == preference


@pytest.mark.parametrize("answer", ["Both are nice.", FORM])
def test_other_answers_are_refused(answer):
    with pytest.raises(ValueError, match="A, B or tie"):
        read_preference(answer)


def test_the_prompt_keeps_braces_of_stories():
    text = pair_prompt("{second} wins", "two", "Once", "Hindi")
    assert "<story_A>\n{second} wins\n</story_A>\n<story_B>\ntwo" in text
