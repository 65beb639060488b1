"""Completions to ratings: every story × judge × repeat asked through the engine, into a journal."""

from collections.abc import Sequence
from pathlib import Path

from backend.llm.journal import Journal
from evaluation.completions import Completion
from evaluation.judge import ANSWER_TOKENS, questions, read_answer
from evaluation.panel import Panel, ask_panel
from evaluation.ratings import Rating, journal_ratings


def judge_completions(
    completions: Sequence[Completion], panel: Panel, rubric: str, repeats: int, path: Path
) -> list[Rating]:
    """The ratings of these completions, in their order; what the journal at `path` has is not asked again.

    Stories whose answers could not be read are missing. Raises UserError as the engine does.
    """
    asked = questions(completions, panel.judges, rubric, repeats)
    ask_panel(
        panel, lambda: (question.item for question in asked), len(asked), read_answer, path,
        purpose="judge", answer_tokens=ANSWER_TOKENS[rubric], unit="judgements",
    )  # fmt: skip
    with Journal.read(path) as journal:
        found = journal_ratings(journal)
    return [found[question.id] for question in asked if question.id in found]
