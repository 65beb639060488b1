"""Who meets whom, and what shows while names are hidden."""

import pytest

from backend.errors import UserError
from backend.slm.sampling import Sampling
from spaces.battle import Battle, contenders, paced
from spaces.labels import labels
from spaces.writing import Draft

WORDS = labels("english")


def test_blind_pairs_and_their_sides_are_drawn():
    drawn = [tuple(contenders([], ["a", "b", "c"], True, WORDS)) for _ in range(200)]
    assert set(drawn) == {(x, y) for x in "abc" for y in "abc" if x != y}
    assert {frozenset(contenders(["a", "b"], ["a", "b", "c"], True, WORDS)) for _ in range(20)} == {frozenset("ab")}


def test_in_the_open_the_visitor_chooses_two_to_four():
    assert contenders(["a", " b", "a"], [], False, WORDS) == ["a", "b"]
    for wrong in ([], ["a"], ["a", "a"], list("abcde")):
        with pytest.raises(UserError, match="two to four"):
            contenders(wrong, ["a", "b"], False, WORDS)
    with pytest.raises(UserError, match="two to four"):
        contenders([], ["a"], True, WORDS)


def test_a_quick_model_does_not_give_itself_away():
    quick, slow = Draft("quick", 0, text="one two three four five"), Draft("slow", 0, text="one two th")
    assert paced([quick, slow]) == ["one two", "one two th"]
    quick.ending = "eos"
    assert paced([quick, slow])[0] == "one two"
    slow.ending = "eos"
    assert paced([quick, slow]) == [quick.text, slow.text]


def test_only_whole_blind_stories_are_voted_on():
    drafts = [Draft("a", 0, text="x", ending="eos"), Draft("b", 0, text="y", ending="sentence")]
    battle = Battle("hindi", "o", Sampling(), drafts, blind=True)
    assert not battle.votable
    battle.end()
    assert battle.votable
    drafts[0].ending = "stopped"
    assert not battle.votable
    drafts[0].ending = "eos"
    battle.reveal()
    assert not battle.votable
