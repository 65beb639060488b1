"""Stories for the tests of this folder, told by the offline storyteller."""

from functools import cache

from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller


@cache
def told(language: str, count: int) -> tuple[str, ...]:
    """`count` different stories of a language."""
    teller = load_storyteller(language)
    prompts = Prompts(language, seed=5).range(0, count)
    return tuple(teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in prompts)
