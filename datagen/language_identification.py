"""Which language a text is in, by py3langid's naive Bayes model of byte n-grams."""

import functools
import tempfile

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from backend.errors import UserError


def is_known(code: str) -> bool:
    """Whether texts of a language, by its ISO 639-1 code, can be told from others."""
    return code in _labels()


def language_of(text: str) -> str:
    """The ISO 639-1 code of the likeliest language."""
    return load().classify(text)[0]


@functools.cache
def load() -> LanguageIdentifier:
    """The model. It is unpacked through a temporary file, so it is loaded before a run and not in the midst of it."""
    try:
        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=False)
    except OSError as error:
        raise UserError(f"The model of py3langid cannot be unpacked in {tempfile.gettempdir()} ({error.strerror}); free the disk or set TMPDIR.") from None
    # Half-precision weights are multiplied one by one; 57 MB of single ones halve the time of a text.
    identifier.nb_ptc = identifier.nb_ptc.astype(np.float32)
    return identifier


@functools.cache
def _labels() -> frozenset[str]:
    return frozenset(load().labels)
