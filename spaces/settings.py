"""The settings of sampling, which several tabs offer."""

from collections.abc import Sequence

import gradio as gr

from backend.slm.sampling import Sampling
from spaces.desk import Desk

MAX_TOKENS = 450


def sampling_fields(desk: Desk) -> list[gr.components.Component]:
    """The fields, two a row; their values in this order are what `sampling_of` takes."""
    words = desk.words

    def slider(key: str, low: float, high: float, value: float, step: float) -> gr.Slider:
        return desk.label(key, gr.Slider(low, high, value, step=step, label=words[key], info=words[f"{key}_info"]))

    with gr.Row():
        temperature = slider("temperature", 0, 2, 0.6, 0.05)
        max_tokens = slider("max_tokens", 20, MAX_TOKENS, 450, 10)
    with gr.Row():
        top_k = slider("top_k", 0, 200, 15, 1)
        top_p = slider("top_p", 0.05, 1, 1, 0.05)
    with gr.Row():
        min_p = slider("min_p", 0, 0.5, 0.1, 0.01)
        repetition_penalty = slider("repetition_penalty", 1, 2, 1, 0.05)
    return [temperature, top_k, top_p, min_p, repetition_penalty, max_tokens]


def sampling_of(values: Sequence[float]) -> Sampling:
    """The sampling of the fields' values. Raises UserError for one out of bounds."""
    temperature, top_k, top_p, min_p, repetition_penalty, max_tokens = values
    return Sampling(
        float(temperature), int(top_k), float(top_p), float(min_p), float(repetition_penalty), max_tokens=int(max_tokens)
    )


def seed_field(desk: Desk, elem_id: str) -> gr.Textbox:
    """The field of the seed; `draw_seed` reads it."""
    words = desk.words
    field = gr.Textbox(label=words["seed"], info=words["seed_info"], max_lines=1, elem_id=elem_id)
    return desk.label("seed", field)
