"""g4f against the server that fails on purpose: its errors get the names that the engine acts on."""

import pytest

pytest.importorskip("g4f", reason="g4f is an extra: pip install -r requirements-extra.txt")

from g4f.requests.aiohttp import _loop_connectors

from backend.llm.engine import Item, Reading, Rejected, Settings, answer_all
from backend.llm.g4f_provider import G4FProvider
from backend.llm.journal import Journal
from backend.llm.provider import Timeouts


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("G4F_API_KEY", "a-key-of-this-test")


def ask(server, path, count=20, **settings):
    provider = G4FProvider("m", server.url, timeouts=Timeouts(whole=5))
    items = [Item(str(number), [{"role": "user", "content": f"Question {number}?"}]) for number in range(count)]

    def read(item, completion):
        if "story" not in completion.text:
            raise Rejected("no story")
        return Reading(completion.text)

    with Journal.create_or_open(path) as journal:
        answer_all(items, [provider], journal, read, Settings(**settings))
        return journal.tallies()


def test_answers_come_through_faults(fault_server, tmp_path):
    faults = "429,500,503,reset,truncated,malformed,html,empty,no choices"
    server = fault_server("--plain", "--script", faults, "--pause", 0.3)
    tallies = ask(server, tmp_path / "a.sqlite")
    assert tallies["accepted"] == 20 and tallies.get("dead", 0) == 0
    assert tallies["rate_limited"] >= 1 and tallies["rejected: status 500"] == tallies["rejected: status 503"] == 1
    assert server.stats()["keys"] == ["Bearer a-key-of-this-test"]
    assert all(connector.closed for connector in _loop_connectors.values()), "connections are left open"


def test_a_wrong_key_stops_at_once_and_is_shown_nowhere(fault_server, tmp_path):
    with pytest.raises(Exception, match="401") as raised:
        ask(fault_server("--key", "another"), tmp_path / "a.sqlite")
    assert "a-key-of-this-test" not in str(raised.value)


def test_a_stalled_answer_is_not_waited_for(fault_server, tmp_path):
    tallies = ask(fault_server("--plain", "--script", "stall"), tmp_path / "a.sqlite", count=3)
    assert tallies["accepted"] == 3 and tallies["rejected: timed out"] == 1
