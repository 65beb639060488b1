"""Colours, type and spacing of the page: a picture book's, by day and by night; no font or script from elsewhere."""

from pathlib import Path

import gradio as gr

from backend.languages import language_names, load_language


def theme() -> gr.themes.Base:
    """The Gradio theme, with fonts that the visitor's machine has."""
    families = [family for name in language_names() for family in load_language(name).fonts]
    fonts = ["system-ui", "Noto Sans", *dict.fromkeys(families), "sans-serif"]
    ink, paper, night = "#3a2f23", "#fdf7ea", "#191613"
    return gr.themes.Soft(
        primary_hue="orange", secondary_hue="teal", neutral_hue="stone", radius_size="lg", font=fonts,
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_background_fill=paper,
        body_background_fill_dark=night,
        body_text_color=ink,
        background_fill_primary_dark="#211d18",
        background_fill_secondary_dark="#2a251e",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_text_color="#6d5740",
        block_title_text_color_dark="#c9b79c",
        block_title_padding="0px",
        block_title_text_weight="600",
        block_info_text_color="#75644f",
        block_info_text_color_dark="#b5a58c",
        input_placeholder_color="#7d6b55",
        input_placeholder_color_dark="#a08f77",
        input_background_fill="#fffdf7",
        input_background_fill_dark="#26211b",
        input_border_width="1px",
        input_border_color="#e6d9bf",
        input_border_color_dark="#453b2e",
        input_shadow="none",
        panel_background_fill="transparent",
        panel_background_fill_dark="transparent",
        button_primary_background_fill="#c8500f",
        button_primary_background_fill_hover="#a9400a",
        button_primary_background_fill_dark="#c8500f",
        button_primary_background_fill_hover_dark="#a9400a",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#fffdf7",
        button_secondary_background_fill_dark="#2a251e",
        button_secondary_border_color="#e6d9bf",
        button_secondary_border_color_dark="#453b2e",
        button_border_width="1px",
        slider_color="#c8500f",
        slider_color_dark="#dd6520",
        color_accent="#b0470b",
        checkbox_label_background_fill="#fffdf7",
        checkbox_label_background_fill_dark="#26211b",
        checkbox_label_background_fill_selected="#0f766e",
        checkbox_label_background_fill_selected_dark="#0f766e",
        checkbox_label_text_color_selected="#ffffff",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="#e6d9bf",
        checkbox_label_border_color_dark="#453b2e",
        checkbox_label_shadow="none",
    )  # fmt: skip


# Gradio confines the style sheet to its inner column and drops @supports: what needs either stands in the page's head.
HEAD = """<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body.dark { color-scheme: dark; }
.gradio-container .main.app { padding: .5rem 1rem 1.5rem !important; }
@media (max-width: 640px) { .gradio-container .main.app { padding: .25rem .5rem 1rem !important; } }
@supports (position-area: bottom) {  /* what else was likely stands beside its token, where it covers neither that nor its line */
  .tokens p > .token:is(:hover, :focus) { anchor-name: --token; anchor-scope: --token; }
  .tokens .token > .tip { position-anchor: --token; position-area: bottom span-all !important; position-try-fallbacks: flip-block;
    inset: auto !important; transform: none !important; justify-self: anchor-center; margin: .4rem .5rem; }
}
</style>"""


def css() -> str:
    """The page's style sheet, and for each language its typefaces for stories."""
    rules = [(Path(__file__).parent / "style.css").read_text("utf-8")]
    for name in language_names():
        language = load_language(name)
        serif = [font.replace("Sans", "Serif") for font in language.fonts if "Noto Sans" in font]
        stack = ", ".join(f"'{font}'" for font in ["Georgia", "Noto Serif", *serif, *language.fonts])
        rules.append(f".story:lang({language.code}) {{ --story-font: {stack}, serif; }}")
    return "\n".join(rules)
