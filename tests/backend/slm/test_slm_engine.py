"""What a reader notices of the engine: the same story for a seed, an end, a free slot."""

import threading
import time
from dataclasses import replace

import pytest

from backend.errors import UserError
from backend.slm.engine import Engine, load_engine
from backend.slm.sampling import Sampling

OPENINGS = ["Once upon a time", "एक छोटी चिड़िया", "একটা ছোট্ট মেয়ে", "एका गावात"]
SHORT = Sampling(max_tokens=60, seed=7)


def wait_until(condition, seconds=60):
    """Whether a condition comes true; polling, since nothing announces a freed slot."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_the_same_seed_gives_the_same_story_alone_and_in_company(engine):
    alone = ["".join(engine.stream(OPENINGS[i % 4], replace(SHORT, seed=i))) for i in range(8)]
    together = engine.complete_many([OPENINGS[i % 4] for i in range(24)], replace(SHORT, seed=0))
    assert [story.text for story in together[:8]] == alone
    assert len({story.text for story in together}) == 24


def test_a_story_does_not_depend_on_the_number_of_threads(folders):
    told = []
    for threads in (1, 3):
        engine = Engine(folders["qwen3-tied"], threads=threads)
        told.append([story.text for story in engine.complete_many(OPENINGS * 3, replace(SHORT, seed=0))])
        engine.close()
    assert told[0] == told[1]


def test_what_was_read_for_another_story_changes_none(engine):
    opening = "एक दिन एक छोटी चिड़िया और एक पेड़ "
    alone = "".join(engine.stream(opening * 4, SHORT))
    engine.complete_many([opening * 3, opening * 2 + "था", "A"], SHORT)
    together = engine.complete_many([opening * 4] * 9, SHORT, seeds=[SHORT.seed] * 9)
    assert {story.text for story in together} == {alone}


def test_a_newcomer_does_not_change_a_story_under_way(engine):
    alone = "".join(engine.stream(OPENINGS[0], SHORT))
    stream = engine.stream(OPENINGS[0], SHORT)
    text = next(stream)
    newcomer = threading.Thread(target=engine.complete_many, args=(OPENINGS, SHORT))
    newcomer.start()
    text += "".join(stream)
    newcomer.join()
    assert text == alone


def test_stories_come_back_in_the_order_of_their_openings(engine):
    many = engine.complete_many(OPENINGS, SHORT, seeds=[5, 6, 7, 8])
    for opening, seed, story in zip(OPENINGS, (5, 6, 7, 8), many, strict=True):
        assert story.text == "".join(engine.stream(opening, replace(SHORT, seed=seed)))


def test_a_closed_stream_frees_its_slot(engine):
    streams = [engine.stream("A", replace(SHORT, max_tokens=400, seed=seed)) for seed in range(5)]
    for stream in streams:
        next(stream)
        stream.close()
    assert wait_until(lambda: engine.load == 0)
    assert "".join(engine.stream("A", SHORT))


def test_a_waiting_story_can_be_cancelled_and_readers_go_before_bulk(engine):
    bulk = threading.Thread(target=engine.complete_many, args=(["A"] * 80, replace(SHORT, max_tokens=200)))
    bulk.start()
    waiting = [engine.stream("B", SHORT) for _ in range(3)]
    firsts = [next(stream) for stream in waiting]
    for stream in waiting:
        stream.close()
    assert all(firsts)
    assert bulk.is_alive(), "a reader got the first words before 80 stories were told"
    bulk.join()
    assert wait_until(lambda: engine.load == 0)


def test_more_stories_than_the_batch_holds_all_get_told(engine):
    stories = engine.complete_many(["A"] * 150, replace(SHORT, max_tokens=8))
    assert all(story.tokens >= 8 or story.finished for story in stories)


def test_length_is_kept_but_a_sentence_may_end(engine):
    for story in engine.complete_many(OPENINGS * 4, replace(SHORT, max_tokens=20)):
        assert story.finished or 20 <= story.tokens <= 20 + 48
        if story.reason == "sentence":
            assert story.text.rstrip().rstrip("\"'”’)»]")[-1] in "।॥.!?…"
    exact = engine.complete_many(OPENINGS, replace(SHORT, max_tokens=20, finish_sentence=False))
    assert all(story.finished or story.tokens == 20 for story in exact)


def test_an_opening_beyond_the_context_gets_a_clear_sentence(engine):
    with pytest.raises(UserError, match=r"shorten it to about [\d,]+ characters"):
        next(engine.stream("word " * 4000))


def test_a_story_that_fills_the_context_is_said_to_be_cut_not_stopped(engine):
    opening = "एक दिन " * 60
    room = engine.context - len(engine.prompt_ids(opening))
    assert room < 400
    told = engine.complete_many([opening] * 4, replace(SHORT, max_tokens=400))
    assert all(story.finished or (story.tokens, story.reason) == (room, "length") for story in told)
    assert not all(story.finished for story in told)


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_p": 0}, {"max_tokens": 0}, {"seed": -1}, {"top_k": 1.5}, {"seed": "x"}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_a_killed_process_is_told_and_the_next_story_comes_all_the_same(folders):
    engine = load_engine(folders["qwen3-tied"])
    stream = engine.stream("A", replace(SHORT, max_tokens=400))
    next(stream)
    engine._batcher._pipeline._process.kill()
    with pytest.raises(RuntimeError, match="ask again"):
        "".join(stream)
    assert "".join(engine.stream("A", SHORT))
    engine.close()


def test_tokens_that_are_not_the_model_s_are_refused_and_the_next_story_comes_all_the_same(engine):
    with pytest.raises(RuntimeError, match="its tokenizer gave others"):
        engine.read([engine.tokenizer.bos_id, engine.vocab_size])
    assert "".join(engine.stream("A", SHORT))


def test_closing_ends_what_is_under_way(folders):
    engine = load_engine(folders["qwen3-tied"])
    stream = engine.stream("A", replace(SHORT, max_tokens=400))
    next(stream)
    engine.close()
    "".join(stream)
    with pytest.raises(RuntimeError, match="closed"):
        next(engine.stream("A"))
