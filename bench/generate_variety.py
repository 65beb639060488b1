"""Claim: told stories differ. The nearest of 20,000 others shares half of a story's word 5-grams at most, in the median of
1,000; and of 100,000, 95 % or more are no near-duplicate (Jaccard similarity 0.8) of an earlier one.

The figure is that of the worst of four languages. The peer is a template with slots: one plot of the storyteller alone,
which is told with the same words. With --quick, a tenth of the stories, and Hindi alone.
"""

import sys
from itertools import islice
from random import Random

import numpy as np

from bench.claim import tell
from datagen.near_duplicates import near_duplicates
from datagen.prompts import Prompts
from datagen.shingles import Shingler
from datagen.storyteller.teller import load_storyteller

LANGUAGES = ("hindi", "marathi", "bangla", "english")
NEAR, ASKED, MANY, THRESHOLD = 20_000, 1000, 100_000, 0.8


def told(language: str, count: int) -> list[str]:
    """Stories for the first prompts of a language."""
    teller = load_storyteller(language)
    return [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in Prompts(language).range(0, count)]


def told_by_one_plot(language: str, count: int) -> list[str]:
    """The same of one plot, for those prompts whose noun has a place in it."""
    teller = load_storyteller(language)
    plot = max(teller.plots, key=lambda plot: sum(len(plot.roles[role]) for role in plot.noun_roles))
    kinds = {kind for role in plot.noun_roles for kind in plot.roles[role]}
    prompts = Prompts(language)
    fitting = (p for p in prompts.range(0, len(prompts)) if teller.words.find("nouns", p.noun).kind in kinds)
    chosen = {plot.path.stem}
    return [teller.say(*teller.cast(p.noun, p.verb, p.adjective, p.feature, p.text, chosen)) for p in islice(fitting, count)]


def shares_of_nearest(stories: list[str], asked: int) -> np.ndarray:
    """Of each of `asked` stories the share of its 5-grams that the nearest other story has."""
    shingles, counts = Shingler().sets(stories)
    ends, owners = np.cumsum(counts), np.repeat(np.arange(len(stories), dtype=np.int32), counts)
    order = np.argsort(shingles, kind="stable")
    sorted_shingles, sorted_owners, shares = shingles[order], owners[order], []
    for place in Random(0).sample(range(len(stories)), asked):
        mine = shingles[ends[place] - counts[place] : ends[place]]
        first, last = np.searchsorted(sorted_shingles, mine, "left"), np.searchsorted(sorted_shingles, mine, "right")
        having = np.bincount(np.concatenate([sorted_owners[a:b] for a, b in zip(first, last, strict=True)]), minlength=len(stories))
        having[place] = 0
        shares.append(having.max() / len(mine))
    return np.array(shares)


def main() -> None:
    """Print the table and the claims."""
    quick = "--quick" in sys.argv
    near, many = (NEAR // 10, MANY // 10) if quick else (NEAR, MANY)
    medians, survivors, peers = {}, {}, {}
    print(f"language | share of 5-grams in the nearest of {near}: median, 95 %, most | one plot alone | survive of {many}")
    for language in LANGUAGES[:1] if quick else LANGUAGES:
        shares = shares_of_nearest(told(language, near), min(ASKED, near // 2))
        peers[language] = float(np.median(shares_of_nearest(told_by_one_plot(language, near), min(ASKED, near // 2))))
        survivors[language] = 1 - near_duplicates(told(language, many), THRESHOLD).dropped / many
        medians[language] = float(np.median(shares))
        spread = f"{medians[language]:.3f}, {np.quantile(shares, 0.95):.3f}, {shares.max():.3f}"
        print(f"{language} | {spread} | {peers[language]:.3f} | {survivors[language]:.5f}")
    worst, least = max(medians.values()), min(survivors.values())
    more = {"one plot alone": round(max(peers.values()), 3), "stories": near}
    tell("median share of a story's 5-grams in its nearest other, worst language", worst, 0.5, worst <= 0.5, more, ("numpy",))
    tell("share of told stories that are no near-duplicates, worst language", least, 0.95, least >= 0.95, {"stories": many}, ("numpy",))


if __name__ == "__main__":
    main()
