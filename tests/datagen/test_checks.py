"""Every named check, in every language of the paper and English: a story that passes it and one that it sees."""

import json

import pytest

from backend.languages import load_language
from backend.llm.engine import Rejected
from backend.llm.provider import Completion
from datagen.checks import CHECKS, FLAGGING, REJECTING, StoryReader
from datagen.plan import record_of
from datagen.words import load_words
from tests.datagen.journals import told

LANGUAGES = ("hindi", "marathi", "bangla", "english")
REFUSALS = {
    "hindi": "क्षमा करें, मैं यह कहानी नहीं लिख सकता।",
    "marathi": "क्षमस्व, मी ही गोष्ट लिहू शकत नाही.",
    "bangla": "দুঃখিত, আমি এই গল্পটি লিখতে পারব না।",
    "english": "I'm sorry, but I can't help with that request.",
}
ASSAMESE = "এখন সৰু গাঁৱত এজনী ছোৱালী আছিল। তাই প্ৰতিদিনে পুৱা নৈৰ পাৰলৈ গৈছিল। এদিন তাই এটা আহত চৰাই দেখা পালে আৰু ঘৰলৈ লৈ আহিল। "
FRENCH = "Il était une fois une petite fille qui vivait dans un village. Elle allait chaque matin au bord de la rivière avec son chien. "
NAMES = [check.__name__.replace("_", " ") for check in (*REJECTING, *FLAGGING)]


@pytest.fixture(scope="module")
def good():
    """A function: the record and three stories of a language, the first of which nothing can be said against."""
    reader, known = StoryReader(), {}

    def of(language):
        if language not in known:
            pairs = [(record_of(prompt) | {"complexity": "2"}, story) for prompt, story in told(language, 60)]
            best = next(i for i, (record, story) in enumerate(pairs) if read(reader, record, story) == [] and len(story.split()) > 170)
            known[language] = (*pairs[best], [story for _, story in pairs[best + 1 : best + 3]])
        return known[language]

    return of


@pytest.mark.parametrize(
    "answer",
    [
        "માફ કરશો, હું આ વાર્તા લખી શકતો નથી.",
        "ಕ್ಷಮಿಸಿ, ನಾನು ಈ ಕಥೆಯನ್ನು ಬರೆಯಲು ಸಾಧ್ಯವಿಲ್ಲ.",
        "மன்னிக்கவும், என்னால் இந்தக் கதையை எழுத முடியாது.",
        "క్షమించండి, నేను ఈ కథను రాయలేను.",
    ],
)
def test_a_refusal_in_any_language_is_none_of_its_stories(answer):
    assert read(StoryReader(min_words=1), {"language": "hindi"}, answer) == "refusal"


def read(reader, record, story, finish_reason="stop"):
    """The checks that only note, or the name of the one that rejects."""
    answer = json.dumps({"story": story}, ensure_ascii=False)
    try:
        facts = reader.read(record, Completion(answer, finish_reason=finish_reason)).facts
    except Rejected as rejected:
        return rejected.reason
    return facts["checks"] if facts else []


def test_half_a_surrogate_pair_is_broken_text_and_two_halves_are_a_sign(good):
    record, story, _ = good("hindi")
    head, _, tail = story.partition(" ")
    assert read(StoryReader(), record, f"{head} \ud83d {tail}") == "broken text"
    assert read(StoryReader(), record, f"{head} \ud83d\ude00 {tail}") == []


def stranger(language, kind, story):
    """A word of the list of which not even the beginning stands in the story."""
    rows = getattr(load_words(language), kind)
    return next(row["word"] for row in rows if row["word"].lower()[:3] not in story.lower())


def damaged(name, language, record, story, others):
    """The record, a story that the check shall see, and how its answer ended."""
    end = load_language(language).sentence_ends[0]
    half = len(story) // 2
    gap = story.index(" ", half)
    if name == "words missing":
        return record | {"noun": stranger(language, "nouns", story), "verb": stranger(language, "verbs", story)}, story
    if name == "word missing":
        return record | {"noun": stranger(language, "nouns", story)}, story
    sentence = max(story.split(end), key=len).strip() + end
    return record, {
        "empty": "… !!",
        "refusal": REFUSALS[language],
        "broken text": f"{story[:half]}\ufffd{story[half:]}",
        "too short": sentence,
        "too long": story * 8,
        "wrong script": told("english" if language != "english" else "hindi", 1)[0][1],
        "wrong language": {
            "hindi": lambda: told("marathi", 1)[0][1],
            "marathi": lambda: told("hindi", 1)[0][1],
            "bangla": lambda: ASSAMESE * 4,
            "english": lambda: FRENCH * 4,
        }[language](),
        "truncated": story[: story.rindex(" ")].rstrip("।.?!…”’'\""),
        "repetitive": f"{story}\n\n{f'{sentence} ' * 5}",
        "markup": f"{story[:gap]} <<|{story[gap:]}",
        "names the tone": f"{story}\n\n{record['feature']}{end}",
        "length off": "\n\n".join([story, *others]),
    }[name]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_each_check_sees_what_it_is_named_for(good, name, language):
    record, story, others = good(language)
    found = read(StoryReader(), *damaged(name, language, record, story, others))
    assert found == name if name in NAMES[: len(REJECTING)] else name in found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_good_story_passes_them_all(good, language):
    record, story, _ = good(language)
    assert read(StoryReader(reject=tuple(CHECKS)), record, story) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_told_stories_are_hardly_ever_rejected(language):
    reader = StoryReader()
    found = [read(reader, record_of(prompt), story) for prompt, story in told(language, 60)]
    assert sum(isinstance(reason, str) for reason in found) <= 3, found


def test_a_check_can_be_moved_from_one_side_to_the_other(good):
    record, story, _ = good("hindi")
    without = record | {"noun": stranger("hindi", "nouns", story)}
    assert read(StoryReader(reject=("word missing",)), without, story) == "word missing"
    assert read(StoryReader(allow=("truncated",)), record, story, "length") == ["truncated"]
    assert read(StoryReader(), record, story, "length") == "truncated"
