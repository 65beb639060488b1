"""llmock, a server that breaks answers and judges its clients, has nothing to say against the engine."""

import pytest

from backend.llm.engine import Item, Reading, Rejected, Settings, answer_all
from backend.llm.http_transport import HttpTransport
from backend.llm.journal import Journal
from backend.llm.lane import Limits
from backend.llm.official_transport import OfficialTransport
from backend.llm.openai_provider import OpenAIProvider
from backend.llm.provider import Timeouts


def read(item, completion):
    if not completion.text.strip():
        raise Rejected("empty")
    return Reading(completion.text)


@pytest.fixture
def ask(llmock, tmp_path):
    """A function that asks so many things of llmock, and returns the journal's tallies."""

    def ask(count=20, stream=False, transport=HttpTransport, **settings):
        provider = OpenAIProvider(
            "gpt-4o-mini", llmock.base_url("openai"), api_key="k", stream=stream, timeouts=Timeouts(5, 3, 20), transport=transport
        )
        items = [Item(str(number), [{"role": "user", "content": f"Question {number}?"}]) for number in range(count)]
        with Journal.create_or_open(tmp_path / "a.sqlite") as journal:
            answer_all(items, [provider], journal, read, Settings(max_tokens=50, **settings))
            return journal.tallies()

    return ask


@pytest.mark.parametrize(("stream", "transport"), [(False, HttpTransport), (True, HttpTransport), (True, OfficialTransport)])
def test_rate_limits_errors_and_slow_answers(ask, llmock, stream, transport):
    llmock.rate_limit(times=3, retry_after=0.4)
    llmock.fail(500, times=4).fail(503, times=3, retry_after=0.5)
    tallies = ask(stream=stream, transport=transport)
    assert tallies["accepted"] == 20 and tallies.get("dead", 0) == 0
    assert tallies["rate_limited"] == 3
    llmock.assert_resilient(strict=True)


def test_streams_that_break(ask, llmock):
    llmock.truncate(after_chunks=2, times=3).disconnect(after_chunks=2, times=3).corrupt(after_chunks=1, times=2)
    llmock.stall(after_chunks=1, seconds=30, times=1)
    tallies = ask(stream=True)
    assert tallies["accepted"] == 20
    # Each of the nine was asked again. llmock warns of a broken chunk whose retry comes before it has seen the first
    # connection close, so that its warnings are no verdict here.
    assert len(llmock.requests) >= 20 + 9
    llmock.assert_resilient()


def test_a_quota_told_in_headers_is_never_exceeded(ask, llmock):
    llmock.limits(rpm=600)
    assert ask(count=40)["accepted"] == 40
    assert not [request for request in llmock.requests if request.status == 429]
    llmock.assert_resilient(strict=True)


def test_a_quota_of_tokens_is_kept_by_pauses(ask, llmock):
    llmock.limits(tpm=6000)
    assert ask(count=45, limits=Limits(tokens_per_minute=6000, start=4))["accepted"] == 45
    llmock.assert_resilient(strict=True)


def test_an_outage_is_waited_out(ask, llmock):
    llmock.fail(503, times=16)
    tallies = ask(count=20, attempts=3, patience=60)
    assert tallies["accepted"] == 20 and tallies.get("dead", 0) == 0
    llmock.assert_resilient(strict=True)


def test_declined_prompts_are_dead_letters_at_once(ask, llmock):
    llmock.fail(422, times=2)
    tallies = ask()
    assert (tallies["accepted"], tallies["dead"], tallies["dead: status 422"]) == (18, 2, 2)
    llmock.assert_resilient(strict=True)
