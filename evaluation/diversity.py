"""How much the completions of one model differ from each other."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from evaluation.text import as_language, sentences, words


def diversity(texts: Sequence[str], language: str, compared: int = 100, seed: int = 0) -> dict[str, float]:
    """Diversity of a set of texts in one language.

    `distinct_n`: distinct n-grams over n-grams of all texts; `self_bleu`: mean BLEU of a text against the others
    (Zhu et al. 2018), on `compared` texts drawn with `seed`; `vocabulary`: distinct words; `first_sentences`: share
    of distinct first sentences; `most_common_start`: share of texts with the most frequent first three words.
    """
    language = as_language(language)
    said = [words(text) for text in texts]
    said = [text for text in said if text]
    if not said:
        return {"texts": 0}
    found: dict[str, float] = {"texts": len(said), "vocabulary": len({word for text in said for word in text})}
    for n in (1, 2, 3):
        grams = [gram for text in said for gram in zip(*(text[i:] for i in range(n)), strict=False)]
        found[f"distinct_{n}"] = len(set(grams)) / len(grams) if grams else 1.0
    firsts = [parts[0] for text in texts if (parts := sentences(text, language.sentence_ends))]
    starts = Counter(tuple(text[:3]) for text in said)
    found["first_sentences"] = len(set(firsts)) / len(firsts)
    found["most_common_start"] = starts.most_common(1)[0][1] / len(said)
    found["self_bleu"] = self_bleu([" ".join(text) for text in said], compared, seed)
    return found


def self_bleu(texts: Sequence[str], compared: int = 100, seed: int = 0) -> float:
    """Mean sentence BLEU, 0…1, of each of `compared` texts with all the others of that draw as references; 0 for one text."""
    from sacrebleu.metrics import BLEU

    chosen = Random(seed).sample(list(texts), min(compared, len(texts)))
    if len(chosen) < 2:
        return 0.0
    bleu = BLEU(effective_order=True, tokenize="none")
    scores = [bleu.sentence_score(text, chosen[:i] + chosen[i + 1 :]).score for i, text in enumerate(chosen)]
    return sum(scores) / len(scores) / 100
