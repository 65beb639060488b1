"""Likeness of two texts by the field's usual measures, from their standard libraries; BERTScore is a further extra.

Words are split by this project's own rule: the libraries' English rules drop every letter of an Indic script.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from backend.errors import UserError
from evaluation.text import words


@dataclass(frozen=True)
class Similarity:
    """Each 0…1, higher is more alike."""

    rouge_l: float
    bleu: float
    meteor: float
    chrf: float

    def as_dict(self) -> dict:
        return asdict(self)


class _Words:
    """What rouge_score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


class _NoSynonyms:
    """METEOR without WordNet, which holds English only: exact words count."""

    def synsets(self, word: str) -> list:
        return []


def similarity(text: str, reference: str) -> Similarity:
    """Likeness of a text to one reference: ROUGE-L F1, smoothed sentence BLEU, METEOR by exact words, chrF2."""
    from nltk.translate.meteor_score import single_meteor_score
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU, CHRF

    said, asked = words(text), words(reference)
    if not said or not asked:
        return Similarity(0.0, 0.0, 0.0, 0.0)
    scorer = RougeScorer(["rougeL"], tokenizer=_Words())
    bleu = BLEU(effective_order=True, tokenize="none")
    return Similarity(
        rouge_l=float(scorer.score(reference, text)["rougeL"].fmeasure),
        bleu=bleu.sentence_score(" ".join(said), [" ".join(asked)]).score / 100,
        meteor=float(single_meteor_score(asked, said, wordnet=_NoSynonyms())),
        chrf=CHRF().sentence_score(text, [reference]).score / 100,
    )


def bert_scores(texts: Sequence[str], references: Sequence[str], model: str) -> list[float]:
    """BERTScore F1 with a Hugging Face model, a Hub id or folder; needs the extra package bert-score and torch."""
    try:
        from bert_score import score
        from bert_score.utils import model2layers
    except ImportError:
        raise UserError("BERTScore needs its package: pip install bert-score.") from None
    from transformers import AutoConfig

    try:
        # The package knows the best layer of some models; of any other the last one is taken.
        layers = model2layers.get(model) or AutoConfig.from_pretrained(model, trust_remote_code=False).num_hidden_layers
        return score(list(texts), list(references), model_type=model, num_layers=layers, verbose=False)[2].tolist()
    except (OSError, ValueError, AttributeError, TypeError) as error:
        # Without a token to pad with, the package fails on a type.
        raise UserError(
            f"BERTScore cannot use the model '{model}' ({str(error)[:200]}); give an encoder such as xlm-roberta-base."
        ) from None
