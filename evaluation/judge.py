"""Questions to a judge and what becomes of its answers; who carries them there is the engine's or the app's business."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from backend.llm.engine import Item, Reading, Rejected
from backend.llm.provider import Completion as Answer
from evaluation.completions import Completion
from evaluation.ratings import Rating
from evaluation.rubrics import NotAScore, Scores, judge_prompt, read_scores
from evaluation.text import as_language

ATTEMPTS = 4  # times a story is asked about before its answer counts as refused
ANSWER_TOKENS = {"paper": 60, "strict": 160}
MAX_TOKENS = 2000  # room for judges that think aloud


@dataclass(frozen=True)
class Question:
    """One judgement to be had: a story, a judge, a rubric, and which of the k repeats it is."""

    completion: Completion
    judge: str
    rubric: str
    repeat: int

    @property
    def id(self) -> str:
        """The same for the same question in every run, so that a journal knows what is answered."""
        item = self.completion
        facts = [
            item.model,
            item.language,
            item.opening,
            item.index,
            item.completion,
            self.judge,
            self.rubric,
            self.repeat,
        ]
        return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()[:24]

    @property
    def messages(self) -> list[dict]:
        """What is sent."""
        item = self.completion
        name = as_language(item.language).english_name
        return [{"role": "user", "content": judge_prompt(self.rubric, item.story, item.opening, name)}]

    @property
    def item(self) -> Item:
        """What the engine is given: the journal keeps all that a rating needs."""
        record = asdict(self.completion)
        del record["mean_log_probability"]  # its model's own, which no judge sees
        record |= {"judge": self.judge, "rubric": self.rubric, "repeat": self.repeat}
        return Item(self.id, self.messages, record, model=self.judge)

    def rating(self, answer: str, input_tokens: int = 0, output_tokens: int = 0, cost: float = 0.0) -> Rating:
        """The rating in an answer. Raises NotAScore."""
        scores, item = read_scores(answer), self.completion
        return Rating(
            item.model, item.language, item.opening, item.index, self.judge, self.rubric, self.repeat, scores.values,
            scores.reason, answer, item.completion, item.finished, input_tokens, output_tokens, cost,
        )  # fmt: skip


def questions(completions: Sequence[Completion], judges: Sequence[str], rubric: str, repeats: int) -> list[Question]:
    """Every story × judge × repeat; all judges and repeats of a story follow each other."""
    return [Question(item, judge, rubric, k) for item in completions for judge in judges for k in range(repeats)]


def read_answer(item: Item, answer: Answer) -> Reading:
    """The six numbers of an answer, which is kept as it came. Raises Rejected."""
    try:
        scores = read_scores(answer.text)
    except NotAScore as error:
        raise Rejected("no score", str(error)) from None
    return Reading(answer.text, {"scores": scores.values, "reason": scores.reason})


async def ask(provider, question: Question, attempts: int = ATTEMPTS, heard: Callable[[Answer], None] = lambda _: None) -> Rating:
    """Ask a provider until its answer holds six numbers; `heard` gets every answer, for those that do not are paid for too.

    Raises NotAScore after the last attempt, the provider's errors at once.
    """
    for attempt in range(attempts):
        # The first answer is the judge's own; only a second try, after an unreadable one, may differ from it.
        answer = await provider.complete(
            question.messages,
            max_tokens=MAX_TOKENS,
            temperature=0.0 if attempt == 0 else 0.3,
            response_format={"type": "json_object"},
        )
        heard(answer)
        try:
            return question.rating(answer.text, answer.input_tokens or 0, answer.output_tokens or 0, answer.cost or 0.0)
        except NotAScore as error:
            if attempt + 1 == attempts:
                raise NotAScore(str(error), answer.text) from None
    raise AssertionError("attempts must be at least 1")


def as_table(scores: Sequence[Scores | Rating]) -> dict[str, tuple[float, float, float]]:
    """(mean, lowest, highest) by criterion over a few judgements of one story."""
    rows = [item.scores if isinstance(item, Rating) else item.values for item in scores]
    return {
        name: (sum(r[name] for r in rows) / len(rows), min(r[name] for r in rows), max(r[name] for r in rows))
        for name in rows[0]
    }
