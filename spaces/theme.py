"""Colours, type and spacing of the page: a picture book's, by day and by night; no font or script from elsewhere."""

import gradio as gr

from backend.languages import language_names, load_language


def theme() -> gr.themes.Base:
    """The Gradio theme, with fonts that the visitor's machine has."""
    families = [family for name in language_names() for family in load_language(name).fonts]
    fonts = ["system-ui", "Noto Sans", *dict.fromkeys(families), "sans-serif"]
    return gr.themes.Soft(
        primary_hue="orange", secondary_hue="teal", neutral_hue="stone", radius_size="lg", font=fonts, font_mono=["monospace"]
    ).set(
        body_background_fill="#fdf8ef",
        body_background_fill_dark="#1b1815",
        button_primary_background_fill="#d9601a",
        button_primary_background_fill_hover="#bd4e10",
        button_primary_background_fill_dark="#c9540f",
        button_primary_text_color="#ffffff",
    )


def _story_fonts() -> str:
    rules = []
    for name in language_names():
        language = load_language(name)
        serif = [font.replace("Sans", "Serif") for font in language.fonts if "Sans" in font]
        stack = ", ".join(f'"{font}"' for font in [*serif, *language.fonts])
        rules.append(f':lang({language.code}).story {{ font-family: Georgia, {stack}, serif; }}')
    return "\n".join(rules)


CSS = """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
#masthead { padding: 0.6rem 0 0; }
#masthead h1 { font-size: 1.7rem; margin: 0; letter-spacing: -0.01em; }
#masthead p { margin: 0.1rem 0 0; font-size: 1.02rem; opacity: 0.8; }
.story { font-size: 1.18rem; line-height: 1.75; padding: 1.3rem 1.5rem; border-radius: 14px; background: #fffdf8;
  border: 1px solid #eadfca; color: #2d261d; overflow-wrap: anywhere; }
.story p { margin: 0 0 0.9em; font-size: inherit; line-height: inherit; color: inherit; }
.story p:last-of-type { margin-bottom: 0; }
.story .opening { color: #b04a0c; font-weight: 600; }
.story footer { margin-top: 1rem; padding-top: 0.6rem; border-top: 1px dashed #eadfca; font: 0.82rem/1.5 system-ui, sans-serif; opacity: 0.75; }
.story .caret { display: inline-block; width: 0.5em; height: 1em; background: #d9601a; border-radius: 2px; vertical-align: -0.12em;
  animation: caret 1s steps(2) infinite; margin-left: 2px; }
@keyframes caret { 50% { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .story .caret { animation: none; } }
.shelf { display: grid; gap: 0.9rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.message { padding: 1rem 1.2rem; border-radius: 14px; }
.message.hint { border: 1px dashed #d8c8aa; opacity: 0.75; text-align: center; }
.message.problem { background: #fdecea; border: 1px solid #eab4ad; color: #7c1d12; }
.dark .story { background: #26211b; border-color: #453b2e; color: #f0e7d8; }
.dark .story .opening { color: #ffa766; }
.dark .story footer { border-color: #453b2e; }
.dark .message.problem { background: #3b1d19; border-color: #7c342a; color: #ffc9c0; }
.examples button { white-space: normal !important; text-align: left !important; }
.note { font-size: 0.85rem; opacity: 0.75; }
@media (max-width: 640px) {
  .gradio-container { padding: 0.5rem !important; }
  .story { padding: 1rem; font-size: 1.1rem; }
  #masthead h1 { font-size: 1.4rem; }
}
""" + _story_fonts()
