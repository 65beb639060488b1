"""Answers that hold half of a surrogate pair, which no file can hold, end as other answers do."""

from backend.llm.engine import Item, Reading, Rejected, answer_all
from backend.llm.journal import Journal
from backend.llm.provider import Completion

HALF = "\ud83d"


class Halves:
    """A provider whose every answer is half of a sign."""

    name, model, endpoint = "halves", "m", "here"

    async def complete(self, messages, **options) -> Completion:
        return Completion(f"{messages[0]['content']} {HALF}", finish_reason="stop")

    async def close(self) -> None:
        pass


def read(item, completion):
    if item.id == "bad":
        raise Rejected("no story", completion.text)
    return Reading(completion.text, {"seen": [completion.text]}, key=completion.text)


def test_a_run_ends_and_the_journal_says_where_the_half_was(tmp_path):
    items = [Item(id_, [{"role": "user", "content": id_}]) for id_ in ("good", "bad", "fine")]
    with Journal.create_or_open(tmp_path / "a.sqlite") as journal:
        outcome = answer_all(items, [Halves()], journal, read)
        assert (outcome.accepted, outcome.dead) == (2, 1)
        assert sorted(journal.accepted("id, text, facts")) == [
            (name, f"{name} \ufffd", f'{{"seen":["{name} \ufffd"]}}') for name in ("fine", "good")
        ]
        assert [letter[2] for letter in journal.dead()] == ["bad \ufffd"]
