"""Models that tell from one opening: who takes part, what is shown while names are hidden, what a vote becomes."""

import json
import random
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from backend.errors import UserError
from backend.slm.sampling import Sampling
from spaces.votes import Vote
from spaces.writing import Draft

MOST_MODELS = 4
SIDES = "ABCD"


@dataclass
class Battle:
    """Two to four stories of one opening and seed. It stays on the server: a blind one's names reach no page."""

    language: str
    opening: str
    sampling: Sampling
    drafts: list[Draft]
    blind: bool
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    ended: float = 0.0  # monotonic seconds, 0 while it goes on

    @property
    def votable(self) -> bool:
        """Whether it can be voted on: blind, and both stories told to their end."""
        return self.blind and bool(self.ended) and all(d.ending in ("eos", "sentence", "length") for d in self.drafts)

    def titles(self) -> list[str]:
        """What stands above each story."""
        return [f"{SIDES[i]}" if self.blind else draft.model for i, draft in enumerate(self.drafts)]

    def end(self) -> None:
        """All stories are told."""
        self.ended = time.monotonic()

    def reveal(self) -> None:
        """Show the names from now on."""
        self.blind = False

    def vote(self, verdict: str, visitor: str) -> tuple[Vote, float]:
        """The vote, and for how many seconds the stories could be read."""
        first, second = self.drafts
        settings = asdict(replace(self.sampling, seed=first.seed))
        vote = Vote(
            self.id, datetime.now(UTC).isoformat(timespec="seconds"), self.language, self.opening, first.model, second.model,
            first.text, second.text, json.dumps(settings), verdict, visitor,
        )  # fmt: skip
        return vote, time.monotonic() - self.ended


def contenders(chosen: list[str], fitting: list[str], blind: bool, words: dict) -> list[str]:
    """The models of a battle: those chosen, or when blind two of them (of all that fit, if none is chosen), drawn by lot.

    Raises UserError when there are fewer than two, or more than four.
    """
    names = list(dict.fromkeys(name.strip() for name in chosen or () if name.strip()))
    if blind:
        pool = names if len(names) >= 2 else fitting
        if len(pool) < 2:
            raise UserError(words["need_two"])
        return random.SystemRandom().sample(pool, 2)
    if not 2 <= len(names) <= MOST_MODELS:
        raise UserError(words["need_two"])
    return names


def paced(drafts: list[Draft]) -> list[str]:
    """The texts to show while names are hidden: all as far as the slowest has come, for speed would tell size."""
    growing = [len(draft.text) for draft in drafts if not draft.ending]
    if not growing:
        return [draft.text for draft in drafts]
    limit = min(growing)
    return [d.text if len(d.text) <= limit else d.text[:limit].rpartition(" ")[0] for d in drafts]
