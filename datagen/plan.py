"""What a journal of stories is meant to hold: which prompts of which languages, and the words they were made of."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice

from backend.errors import UserError
from backend.languages import load_language
from backend.llm.engine import Item
from backend.llm.journal import PENDING, Journal, JournalView
from datagen.prompts import Prompt, Prompts
from datagen.templates import template_text
from datagen.words import load_words


@dataclass(frozen=True)
class Plan:
    """The first `count` prompts of a language, complexity and seed, or those whose index is `shard` modulo `shards`."""

    language: str
    complexity: str
    seed: int
    count: int
    shard: int = 0
    shards: int = 1

    @property
    def name(self) -> str:
        """What it shares with the same plan of another count."""
        return f"{self.language} {self.complexity} {self.seed} {self.shard}/{self.shards}"

    def indices(self) -> range:
        """Indices of the prompts."""
        return range(self.shard, self.count, self.shards)


def fingerprint(language: str) -> str:
    """Changes when a word of the language's prompts does, for then its prompt ids name other prompts."""
    words = load_words(language)
    lists = [[word["word"] for word in group] for group in (words.nouns, words.verbs, words.adjectives, words.features)]
    return hashlib.sha256(json.dumps(lists).encode()).hexdigest()[:16]


def enter_plan(plan: Plan, journal: Journal) -> None:
    """Write the plan into the journal. Raises UserError when the journal's prompts were made of other words."""
    prompts = Prompts(plan.language, plan.complexity, plan.seed)
    if plan.count > len(prompts):
        raise UserError(
            f"{plan.language} has {len(prompts)} prompts a complexity and seed, not {plan.count}; "
            "lower --count, use a second seed, or add words."
        )
    words, templates, plans = (journal.meta(key, {}) for key in ("words", "templates", "plans"))
    made_of, text = fingerprint(plan.language), template_text(load_language(plan.language), plan.complexity)
    style = f"{plan.language} {plan.complexity}"
    if words.get(plan.language, made_of) != made_of or templates.get(style, text) != text:
        raise UserError(
            f"{journal.path} was begun with other words or another prompt for {plan.language}, so its ids would name other "
            "prompts now; give a new --journal, and join the two with `python -m datagen merge`."
        )
    journal.set_meta("words", {**words, plan.language: made_of})
    journal.set_meta("templates", {**templates, style: text})
    before = plans.get(plan.name, {"count": 0})
    if plan.count > before["count"]:
        journal.set_meta("plans", {**plans, plan.name: {**asdict(plan), "prompts": len(plan.indices())}})


def items_of(plan: Plan, journal: Journal) -> Iterator[Item]:
    """The items of a plan that the journal has not ended; prompts are made for these alone."""
    prompts = Prompts(plan.language, plan.complexity, plan.seed)
    indices = iter(plan.indices())
    while chunk := list(islice(indices, 2000)):
        known = journal.known([prompts.id(index) for index in chunk])
        left = [i for i in chunk if (entry := known.get(prompts.id(i))) is None or entry.state == PENDING]
        for prompt in prompts.at(left):
            yield Item(prompt.id, [{"role": "user", "content": prompt.text}], record_of(prompt))


def record_of(prompt: Prompt) -> dict:
    """What the journal keeps of a prompt; the text follows from it and the journal's template."""
    return {
        "language": prompt.language,
        "complexity": prompt.complexity,
        "noun": prompt.noun,
        "verb": prompt.verb,
        "adjective": prompt.adjective,
        "feature": prompt.feature,
    }


def prompts_planned(journal: JournalView) -> int:
    """How many prompts the journal is meant to hold in all."""
    return sum(plan["prompts"] for plan in journal.meta("plans", {}).values())


def ended(journal: JournalView) -> int:
    """How many prompts of any plan have a story or were given up."""
    tallies = journal.tallies()
    return int(tallies.get("accepted", 0) + tallies.get("dead", 0))


def prompts_left(plan: Plan, journal: Journal) -> int:
    """How many prompts of a plan have not ended."""
    plans, wanted = journal.meta("plans", {}), len(plan.indices())
    if set(plans) == {plan.name} and plans[plan.name]["count"] == plan.count:
        return max(0, wanted - ended(journal))
    prefix = f"{plan.language}-{plan.complexity}-{plan.seed}-"
    (done,) = journal.connection.execute(
        "SELECT count(*) FROM (SELECT substr(id, ?) AS number FROM items WHERE id GLOB ? AND state <> 'pending')"
        " WHERE number NOT GLOB '*[^0-9]*' AND CAST(number AS INTEGER) < ? AND CAST(number AS INTEGER) % ? = ?",
        (len(prefix) + 1, f"{prefix}*", plan.count, plan.shards, plan.shard),
    ).fetchone()
    return wanted - done
