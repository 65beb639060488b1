"""Whatever a visitor types becomes a clean opening or one clear sentence in the page's language."""

import pytest

from backend.errors import UserError
from backend.languages import language_names, load_language
from spaces.labels import all_labels, labels
from spaces.opening import MAX_CHARACTERS, clean_opening, language_of
from spaces.page import asked_language
from spaces.story import message_html, story_html
from spaces.writing import draw_seed


@pytest.mark.parametrize("text", ["", None, "   \n\t ", "\x00\x07", "!!! ... 123", "🙂🙂", "\u200d", "क" * 20_000])
def test_what_is_no_opening_gets_a_sentence(text):
    for page in all_labels():
        with pytest.raises(UserError) as caught:
            clean_opening(text, page)
        assert str(caught.value)[-1] in ".।"


@pytest.mark.parametrize("text", ["<script>alert(1)</script> एक दिन", "🙂 मीनू 👧‍🦰 आई", "a\x00b\x1b[31mc", "गाँव\u202eउल्टा", "x" * MAX_CHARACTERS])
def test_odd_openings_are_cleaned_not_refused(text):
    cleaned = clean_opening(text)
    assert cleaned
    assert not any(ord(c) < 32 and c != "\n" for c in cleaned)
    assert "\u202e" not in cleaned


def test_joiners_inside_words_stay():
    assert clean_opening("র‍্যাব ক্‌ষ") == "র‍্যাব ক্‌ষ"


@pytest.mark.parametrize("name", language_names())
def test_every_example_is_in_its_language(name):
    for opening in load_language(name).openings():
        assert language_of(clean_opening(opening), name) == name


def test_another_script_chooses_its_language():
    assert language_of("একদিন একটা পাখি", "hindi") == "bangla"
    assert language_of("Once there was a bird", "marathi") == "english"
    assert language_of("एका गावात", "marathi") == "marathi"
    with pytest.raises(UserError, match="Devanagari"):
        language_of("Жила-была птица", "hindi")


@pytest.mark.parametrize(
    ("text", "chosen", "found"),
    [
        ("मीराला बागेत एक जखमी पोपट सापडला.", "hindi", "marathi"),
        ("बिल्ली छत पर सो गई।", "marathi", "hindi"),
        ("मीरा", "marathi", "marathi"),
        ("एक दिन", "hindi", "hindi"),
        ("মীরা একটা পাখি দেখল।", "hindi", "bangla"),
    ],
)
def test_a_language_of_the_same_script_is_told_by_its_words(text, chosen, found):
    assert language_of(text, chosen, written=("hindi", "bangla", "english", "marathi")) == found


@pytest.mark.parametrize("name", ["hindi", "marathi", "bangla", "english"])
def test_the_chosen_language_stays_for_its_own_sentences(name):
    written = ("hindi", "bangla", "english", "marathi")
    for opening in load_language(name).openings():
        assert language_of(clean_opening(opening), name, written=written) == name


def test_markup_is_shown_not_run():
    shown = story_html("<b>x</b>", " <img src=x onerror=alert(1)>", load_language("english"), ["<i>fact</i>"])
    assert "<b>" not in shown
    assert "<img" not in shown
    assert "<i>" not in shown
    assert "<script>" not in message_html("<script>")


def test_the_opening_is_set_apart_across_paragraphs():
    shown = story_html("One.\n\nTwo", " more.", load_language("english"))
    assert '<span class="opening">One.</span>' in shown
    assert '<span class="opening">Two</span> more.' in shown


def test_every_page_language_has_every_label():
    keys = set(labels("english"))
    for name, words in all_labels().items():
        assert set(words) == keys, name
        assert all(str(text).strip() for text in words.values())


def test_the_page_opens_in_the_language_that_the_browser_asks_for():
    assert asked_language("bn-IN,bn;q=0.9,en;q=0.8") == "bangla"
    assert asked_language("ne-NP, hi;q=0.8, en;q=0.5") == "hindi"
    assert asked_language("en-IN,hi;q=0.9") == asked_language("fr") == asked_language("") == asked_language("*") == "english"


def test_seeds():
    words = labels("english")
    assert draw_seed("42", words) == 42
    assert len({draw_seed("", words) for _ in range(20)}) > 15
    for wrong in ("-1", "abc", "1.5", str(2**40)):
        with pytest.raises(UserError, match="seed"):
            draw_seed(wrong, words)
