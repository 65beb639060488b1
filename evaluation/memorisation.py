"""How much of each completion stands in the training stories word for word, and which story is nearest."""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
from tqdm import tqdm

from evaluation.completions import Completion
from evaluation.nearest import nearest_stories
from evaluation.similarity import bert_scores, similarity
from evaluation.spans import longest_spans
from evaluation.text import words
from evaluation.word_index import WordIndex, number_words

_MANY = 500  # completions from which starting processes pays


@dataclass(frozen=True)
class Memorised:
    """One completion against the training stories; lengths in words, shares and likeness 0…1."""

    model: str
    language: str
    opening: str
    index: int
    words: int
    longest_span: int
    longest_span_share: float
    span: str
    known_4: float  # share of its 4-grams that some story has
    known_8: float
    verbatim: bool  # the whole completion stands in one story
    nearest: int | None  # number of the story
    jaccard: float | None  # of word triples
    rouge_l: float | None = None
    bleu: float | None = None
    meteor: float | None = None
    chrf: float | None = None
    bert_score: float | None = None
    nearest_words: str | None = None


def check(completions: list[Completion], index: WordIndex) -> list[Memorised]:
    """Every completion against the index."""
    said = [words(item.completion) for item in completions]
    numbers = [number_words(text) for text in said]
    spans, nearest = longest_spans(numbers, index), nearest_stories(numbers, index)
    # Sketches can miss a story that shares one long span and nothing else.
    found = [near or (span.story, None) for near, span in zip(nearest, spans, strict=True)]
    others = [None if story is None else " ".join(index.words(story)) for story, _ in found]
    pairs = [(" ".join(text), other) for text, other in zip(said, others, strict=True)]
    alike = tqdm(
        _alike(pairs), total=len(pairs), unit=" completions", desc="Similarity", disable=not sys.stderr.isatty()
    )
    rows = []
    together = zip(completions, said, spans, found, others, alike, strict=True)
    for item, text, span, (story, jaccard), other, likeness in together:
        rows.append(
            Memorised(
                model=item.model,
                language=item.language,
                opening=item.opening,
                index=item.index,
                words=len(text),
                longest_span=span.length,
                longest_span_share=span.length / len(text) if text else 0.0,
                span=" ".join(text[span.start : span.start + span.length]),
                known_4=span.known_4,
                known_8=span.known_8,
                verbatim=bool(text) and span.length == len(text),
                nearest=story,
                jaccard=jaccard,
                nearest_words=other,
                **likeness,
            )
        )
    return rows


def _alike(pairs: list[tuple[str, str | None]]) -> Iterator[dict]:
    """Similarity of each text to its story, with a process a core where there are many."""
    if len(pairs) < _MANY:
        yield from map(_likeness, pairs)
    else:
        with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
            yield from pool.map(_likeness, pairs, chunksize=50)


def _likeness(pair: tuple[str, str | None]) -> dict:
    text, other = pair
    return {} if other is None else similarity(text, other).as_dict()


def with_bert_scores(rows: list[Memorised], completions: list[Completion], model: str) -> list[Memorised]:
    """The rows with BERTScore of each completion and its nearest story. Raises UserError without the package."""
    places = [place for place, row in enumerate(rows) if row.words and row.nearest_words]
    texts = [completions[place].completion for place in places]
    scores = bert_scores(texts, [rows[place].nearest_words for place in places], model) if places else []
    found = dict(zip(places, scores, strict=True))
    return [replace(row, bert_score=found.get(place)) for place, row in enumerate(rows)]


def summary(rows: list[Memorised]) -> list[dict]:
    """One line a model and language."""
    groups: dict[tuple[str, str], list[Memorised]] = defaultdict(list)
    for row in rows:
        groups[row.model, row.language].append(row)
    lines = []
    for (model, language), group in sorted(groups.items()):
        lengths = np.array([row.longest_span for row in group])
        line = {"model": model, "language": language, "completions": len(group)}
        line |= {"median longest span": float(np.median(lengths)), "95th percentile": float(np.quantile(lengths, 0.95))}
        line |= {"longest": int(lengths.max()), "verbatim": float(np.mean([row.verbatim for row in group]))}
        line["half or more in one span"] = float(np.mean([row.longest_span_share >= 0.5 for row in group]))
        measures = ("known_4", "known_8", "jaccard", "rouge_l", "bleu", "meteor", "chrf", "bert_score")
        asked = [name for name in measures if name != "bert_score" or any(row.bert_score is not None for row in rows)]
        for name in asked:
            values = [value for row in group if (value := getattr(row, name)) is not None]
            line[name] = float(np.mean(values)) if values else None
        lines.append(line)
    return lines
