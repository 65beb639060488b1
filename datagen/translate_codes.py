"""How a translation model is told which language: a token of its own vocabulary."""

import re
from collections.abc import Iterable

import langcodes

from backend.errors import UserError
from backend.languages import Language

_BEFORE_TEXT = re.compile(r">>.+<<|<2.+>")  # of Marian and MADLAD: the target stands before the source text


def language_token(vocabulary: Iterable[str], language: Language) -> str | None:
    """The token of a language, as NLLB (hin_Deva), M2M-100 (__hi__), mBART (hi_IN), Marian (>>hin<<) or MADLAD (<2hi>) writes it.

    None where the vocabulary has none, as that of a model of one pair of languages.
    """
    known = langcodes.Language.get(language.code)
    short, long, script = known.language, known.to_alpha3(), known.maximize().script
    names = "|".join(
        (f"{long}_{script}", f"__{short}__", f"{short}_[A-Z]{{2}}", f">>{long}(?:_{script})?<<", f">>{short}<<", f"<2{short}>")
    )
    return min(filter(re.compile(names).fullmatch, vocabulary), default=None)


def stands_before_text(token: str) -> bool:
    """Whether the token of the target is written before the source text, and is not the first of the answer."""
    return bool(_BEFORE_TEXT.fullmatch(token))


def check_pair(source: str | None, target: str | None, languages: tuple[Language, Language], model: str) -> None:
    """Raise UserError for a model that knows many languages, and one of these two not."""
    one_sided = (target is None and source is not None) or (source is None and target is not None and not stands_before_text(target))
    if one_sided:
        missing = languages[0] if source is None else languages[1]
        raise UserError(f"{model} has no token for {missing.english_name} ({missing.code}); choose a model that knows the language.")
