"""The seven prompt complexities of the paper (arXiv 2504.07989, section 3) as readable templates."""

from collections.abc import Callable

from backend.languages import Language

COMPLEXITIES = ("1", "2", "2+", "3", "4", "4+", "5")
_SHORT = "200-300"
_LONG = "350-500"

_ANSWER = """

Return the output as a JSON dictionary in the following format:
{
    "story": "your_generated_story"
}"""

_ONE = """Write a short story in <language> suitable for 5-to-7-year-old children.
Use simple, easy-to-understand words and write 3-5 short paragraphs.
The story should use the verb "<verb>", the noun "<noun>" and the adjective "<adjective>", and have the feature "<feature>"."""

_TWO = """Write a short story in <language> suitable for 5-to-7-year-old children.
Use simple, easy-to-understand words and limit the story to 3-4 short paragraphs (around <words> words).
The story should feature a clear beginning, middle, and end. Incorporate the verb "<verb>", the noun "<noun>", and the adjective "<adjective>" naturally into the story.
The story should also integrate the conclusion/tone "<feature>" through actions and outcomes without directly stating the tone (e.g., do not use "<feature_example>" or similar words explicitly).
<more>Remember to only use simple words and keep the story short!"""

_THREE = """Include at most three short, plain dialogues.
Build the story on a theme such as friendship, helping each other or a lesson learnt, and leave the moral implicit.
"""
_FOUR = """Take inspiration from children's books that readers of <language_name> know, such as <books>, without copying them.
"""
_FIVE = """Let nature and village life surround the story, and give it supporting characters.
"""

_MORE = {"2": "", "2+": "", "3": _THREE, "4": _THREE + _FOUR, "4+": _THREE + _FOUR, "5": _THREE + _FOUR + _FIVE}


def words_asked(complexity: str) -> int:
    """About how many words the prompt asks for."""
    low, high = (_LONG if complexity.endswith("+") else _SHORT).split("-")
    return (int(low) + int(high)) // 2


def template_text(language: Language, complexity: str) -> str:
    """A text for `str.format` with the slots noun, verb, adjective and feature.

    Complexity 2 is the paper's own text, word for word.
    """
    text = _ONE if complexity == "1" else _TWO.replace("<more>", _MORE[complexity])
    constants = {
        "language": f"{language.english_name} {language.script_instruction}".strip(),
        "language_name": language.english_name,
        "words": _LONG if complexity.endswith("+") else _SHORT,
        "books": ", ".join(language.books),
        "feature_example": language.feature_example,
    }
    for name, value in constants.items():
        text = text.replace(f"<{name}>", value)
    text = (text + _ANSWER).replace("{", "{{").replace("}", "}}")
    for name in ("noun", "verb", "adjective", "feature"):
        text = text.replace(f"<{name}>", f"{{{name}}}")
    return text


def template(language: Language, complexity: str) -> Callable[[str, str, str, str], str]:
    """A function (noun, verb, adjective, feature) -> prompt text for one language and complexity."""
    text = template_text(language, complexity)
    return lambda noun, verb, adjective, feature: text.format(
        noun=noun, verb=verb, adjective=adjective, feature=feature
    )
