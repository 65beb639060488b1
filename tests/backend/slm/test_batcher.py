"""Slots are shared out evenly, and who waits knows how long the line is."""

import pytest

from backend.slm.sampling import Sampling
from tests.backend.slm.test_slm_engine import wait_until


@pytest.fixture
def begun(engine):
    """Starts stories for an owner; at the end all are cancelled."""
    started = []

    def begin(owner, count):
        own = []
        for number in range(count):
            story = engine.story("A", Sampling(max_tokens=400, seed=number), owner)
            context = engine._request(story, lambda ids: None, urgent=True)
            context.__enter__()
            started.append(context)
            own.append(story)
        return own

    yield begin
    for context in started:
        context.__exit__(None, None, None)
    assert wait_until(lambda: engine.load == 0)


def test_somebody_s_pile_leaves_room_for_a_newcomer(engine, begun):
    pile = begun("a", 100)
    most = engine._batcher.max_of_one
    assert wait_until(lambda: engine.load == 100 and pile[99].ahead == 100 - most)
    assert [story.ahead for story in pile[:most]] == [0] * most
    newcomer = begun("b", 1)
    assert wait_until(lambda: newcomer[0].request.number)
    assert newcomer[0].ahead == 0


def test_free_slots_go_to_who_has_the_fewest(engine, begun):
    piles = [begun(owner, 48) for owner in "ab"]
    assert wait_until(lambda: sum(story.request.number > 0 for pile in piles for story in pile) == engine._batcher.max_active)
    single = begun("c", 1)[0]
    for story in piles[0][:4]:
        story.request.cancel()
    assert wait_until(lambda: single.request.number)
