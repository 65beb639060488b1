"""Words of the theme stand out from what they stand on, by WCAG's measure."""

import pytest

from spaces.theme import theme


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("words", "ground"),
    [
        ("button_primary_text_color", "button_primary_background_fill"),
        ("button_primary_text_color", "button_primary_background_fill_hover"),
        ("button_primary_text_color", "button_primary_background_fill_dark"),
        ("button_primary_text_color", "button_primary_background_fill_hover_dark"),
        ("input_placeholder_color", "input_background_fill"),
        ("input_placeholder_color_dark", "input_background_fill_dark"),
        ("block_title_text_color", "body_background_fill"),
        ("block_title_text_color_dark", "body_background_fill_dark"),
        ("block_info_text_color", "body_background_fill"),
        ("block_info_text_color_dark", "body_background_fill_dark"),
        ("checkbox_label_text_color_selected", "checkbox_label_background_fill_selected"),
        ("color_accent", "body_background_fill"),
    ],
)
def test_words_stand_out_from_their_ground(words, ground):
    colours = sorted((_luminance(getattr(theme(), name)) for name in (words, ground)), reverse=True)
    assert (colours[0] + 0.05) / (colours[1] + 0.05) >= 4.5
