"""Journals made for a test, without a provider."""

from backend.llm.journal import ACCEPTED, DEAD, Attempt, Entry, Journal
from datagen.plan import Plan, enter_plan, record_of
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller


def told(language: str, count: int) -> list[tuple]:
    """Prompts of a language and the storyteller's stories for them."""
    teller = load_storyteller(language)
    prompts = list(Prompts(language).range(0, count))
    return [(p, teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text)) for p in prompts]


def write(path, language: str, stories: list[tuple], answers: dict | None = None, dead: dict | None = None, more: dict | None = None):
    """A journal of (prompt, story) pairs; `answers` are the raw ones by id, `dead` the reasons of dead letters by
    id, `more` what each record has beside its prompt's words.
    """
    answers, dead = answers or {}, dead or {}
    with Journal.create_or_open(path) as journal:
        enter_plan(Plan(language, "2+", 0, len(stories)), journal)
        entries = []
        for prompt, story in stories:
            attempt = Attempt("here", 0.1, dead.get(prompt.id), None, answers.get(prompt.id, story), "stop", 100, 200, 0.01)
            state = DEAD if prompt.id in dead else ACCEPTED
            entries.append(Entry(prompt.id, record_of(prompt) | (more or {}), state, attempt, story, None, story.lower(), "openai", "m"))
        journal.save(entries)
    return path
