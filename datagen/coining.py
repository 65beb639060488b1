"""Makes up names for things: from `kettle` and `button`, `bettle`. What a model has never met it can only copy."""

import re
from random import Random

from datagen.renaming import syllables
from datagen.words import Word

COINABLE = ("animal", "toy", "object", "clothes", "plant", "nature", "idea", "vehicle", "food", "place")


def coined(word: Word, other: Word, dice: Random) -> Word | None:
    """The word with its first syllable replaced by the beginning of `other`, in every form, so that its endings stay.

    None where that cannot be: for words of persons, of one syllable or of several words, where a form begins otherwise
    than the word, and where an article would not fit any more.
    """
    text = word["word"]
    if word.kind not in COINABLE or " " in text or "-" in text:
        return None
    if (new := other_beginning(text, other["word"], dice)) is None:
        return None
    old = syllables(text)[0]
    looking_for = re.compile(rf"(?<!\w){re.escape(old)}", re.IGNORECASE)
    made = {}
    for form, said in word.items():
        made[form], found = looking_for.subn(new, said, count=1)
        if not found:
            return None
    return word.with_forms(made)


def other_beginning(text: str, other: str, dice: Random) -> str | None:
    """What the text can begin with instead of its first syllable, as `other` does.

    None for a text of one syllable, and where the two do not agree in beginning with a vowel.
    """
    parts, beginning = syllables(text), syllables(other)
    if len(parts) < 2:
        return None
    new = "".join(beginning[: dice.randint(1, 2) if len(beginning) > 2 else 1])
    if new == parts[0] or " " in new or _is_vowel(new) != _is_vowel(parts[0]):
        return None
    return new


def _is_vowel(text: str) -> bool:
    return text[0].lower() in "aeiou"
