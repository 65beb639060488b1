"""The choice of a model, which follows the language of the story."""

import gradio as gr

from spaces.choice import models_for
from spaces.desk import PRIVATE, Desk


def model_field(desk: Desk, language: gr.Radio, prefix: str = "") -> gr.Dropdown:
    """The models that write the language, the largest first; a Hub id can be typed."""
    fitting = models_for(desk.models, desk.default_language)
    model = gr.Dropdown(
        fitting, value=fitting[0] if fitting else None, label=desk.words["model"], info=desk.words["model_info"],
        allow_custom_value=True, elem_id=f"{prefix}model", scale=2, min_width=200,
    )  # fmt: skip

    def on_language(name: str, chosen: str | None) -> gr.Dropdown:
        fitting = models_for(desk.models, name)
        kept = chosen in fitting or (chosen and chosen not in desk.models.folders)
        return gr.Dropdown(fitting) if kept else gr.Dropdown(fitting, value=fitting[0] if fitting else None)

    language.change(on_language, [language, model], model, **PRIVATE)
    return desk.label("model", model)
