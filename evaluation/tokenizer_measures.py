"""What a tokenizer does to a language: how it cuts words, how it spends its vocabulary, whether it cuts at morphemes."""

import csv
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from backend.errors import UserError
from evaluation.text import words

RENYI_ALPHA = 2.5
_BEFORE = "a "


@dataclass(frozen=True)
class TokenizerMeasures:
    """One tokenizer on one set of texts."""

    tokenizer: str
    language: str
    vocab_size: int
    tokens: int
    fertility: float  # tokens a word
    characters_per_token: float
    bytes_per_token: float
    continued_words: float  # share of words cut into two or more tokens
    vocabulary_used: float  # share of the vocabulary that occurs
    renyi_entropy: float  # bits, alpha = 2.5
    renyi_efficiency: float  # over log2 of the vocabulary that occurs, as tokenization-scorer does
    round_trip: float  # share of texts that decode to themselves
    megabytes_per_second: float
    morph_score: float | None = None
    morph_words: int | None = None  # words cut in two or more, which are those that count
    trained_bits_per_byte: float | None = None  # of a fixed small model trained with it, mean over seeds
    trained_spread: float | None = None  # standard deviation over seeds

    def as_dict(self) -> dict:
        return asdict(self)


def measure_tokenizer(
    tokenizer: Tokenizer, name: str, texts: Sequence[str], language: str, morphology: Path | None = None
) -> TokenizerMeasures:
    """Measure a tokenizer on texts, and on a MorphScore table where there is one."""
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    started = time.perf_counter()
    encoded = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    seconds = time.perf_counter() - started
    counts = Counter(token for ids in encoded for token in ids)
    vocab_size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    tokens, n_bytes = sum(counts.values()), sum(len(text.encode()) for text in texts)
    said = Counter(word for text in texts for word in words(text))
    if not said or not tokens:
        raise UserError(f"The {language} texts hold no words that {name} could cut; give a file with stories to measure tokenizers on.")
    distinct = list(said)
    pieces = [len(spans) for spans in word_spans(tokenizer, distinct)]
    total = sum(said.values())
    entropy = renyi_entropy(counts.values())
    score = morph_score(tokenizer, read_morphology(morphology)) if morphology else (None, None)
    return TokenizerMeasures(
        tokenizer=name,
        language=language,
        vocab_size=vocab_size,
        tokens=tokens,
        fertility=sum(n * said[word] for word, n in zip(distinct, pieces, strict=True)) / total,
        characters_per_token=sum(map(len, texts)) / tokens,
        bytes_per_token=n_bytes / tokens,
        continued_words=sum(said[word] for word, n in zip(distinct, pieces, strict=True) if n > 1) / total,
        vocabulary_used=len(counts) / vocab_size,
        renyi_entropy=entropy,
        renyi_efficiency=entropy / float(np.log2(len(counts))) if len(counts) > 1 else 0.0,
        round_trip=sum(tokenizer.decode(ids) == text for ids, text in zip(encoded, texts, strict=True)) / len(texts),
        megabytes_per_second=n_bytes / 1e6 / max(seconds, 1e-9),
        morph_score=score[0],
        morph_words=score[1],
    )


def renyi_entropy(counts: Iterable[int], alpha: float = RENYI_ALPHA) -> float:
    """Rényi entropy of a distribution given by counts, in bits (Zouhar et al. 2023, "Tokenization and the Noiseless Channel")."""
    shares = np.fromiter(counts, float)
    shares /= shares.sum()
    return float(np.log2((shares**alpha).sum()) / (1 - alpha))


def morph_score(tokenizer: Tokenizer, rows: Sequence[tuple[str, str, str]]) -> tuple[float | None, int]:
    """MorphScore (Arnett and Bergen 2025): share of the words cut anywhere that are cut where the morphemes meet.

    Words that stay whole do not count. A row whose two parts do not make up its word counts as a miss, as in the
    published script. Returns the score, None when no word is cut, and the number of words that count.
    """
    hits = counted = 0
    for (word, first, rest), spans in zip(rows, word_spans(tokenizer, [row[0] for row in rows]), strict=True):
        counted += len(spans) > 1
        # Two tokens that share a character's bytes make no cut there.
        cuts = {start for (_, end), (start, _) in pairwise(spans) if end <= start}
        hits += first + rest == word and len(first) in cuts
    return (hits / counted if counted else None), counted


def word_spans(tokenizer: Tokenizer, some_words: Sequence[str]) -> list[list[tuple[int, int]]]:
    """The tokens of each word as spans of its characters.

    The word stands after another, as in running text: byte-level tokenizers know most words with their space, and
    SentencePiece puts one before a lone word anyway.
    """
    encodings = tokenizer.encode_batch([_BEFORE + word for word in some_words], add_special_tokens=False)
    shift = len(_BEFORE)
    return [[(max(start - shift, 0), end - shift) for start, end in e.offsets if end > shift] for e in encodings]


def read_morphology(path: Path) -> list[tuple[str, str, str]]:
    """Rows (word, first part, rest) of a MorphScore table with the columns full_word, pt1 and rest, in NFC."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        parts = [
            [unicodedata.normalize("NFC", (row[name] or "").strip()) for name in ("full_word", "pt1", "rest")]
            for row in rows
        ]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is no MorphScore table ({error}); it needs the columns full_word, pt1 and rest."
        ) from None
    return [(word, first, rest) for word, first, rest in parts if word and first and rest]
