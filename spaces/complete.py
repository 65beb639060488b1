"""The first tab: a beginning goes in, a story streams out."""

import random

import gradio as gr

from backend.errors import UserError
from backend.languages import language_names, load_language
from backend.slm.sampling import Sampling
from backend.slm.shelf import Models
from spaces.choice import choose_model, models_for
from spaces.labels import labels
from spaces.opening import clean_opening, language_of
from spaces.saving import COPY, SAVE_JSON, SAVE_TEXT
from spaces.story import message_html, shelf, story_html
from spaces.verdict import facts_of
from spaces.visits import Visits
from spaces.writing import MAX_STORIES, Draft, draw_seed, write_stories

PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}
EXAMPLES = 5


def build(models: Models, visits: Visits, page_language: gr.State, default_language: str) -> dict:
    """The tab's components and events. Returns the components whose labels the page language sets, by label key."""
    words = labels("english")
    fitting = models_for(models, default_language)
    with gr.Row():
        names = sorted(language_names(), key=lambda name: name != default_language)
        native = [(load_language(name).native_name, name) for name in names]
        language = gr.Radio(native, value=default_language, label=words["story_language"], elem_id="language", scale=3)
        model = gr.Dropdown(
            fitting, value=fitting[0] if fitting else None, label=words["model"], allow_custom_value=True,
            elem_id="model", scale=2, min_width=200,
        )  # fmt: skip
    opening = gr.Textbox(
        label=words["opening"], placeholder=words["placeholder"], lines=3, max_lines=8, autofocus=True, elem_id="opening"
    )
    examples = gr.Dataset(
        components=[gr.Textbox(visible=False)], samples=_examples(default_language), label=words["examples"],
        type="values", elem_classes="examples", elem_id="examples",
    )  # fmt: skip
    with gr.Row(elem_classes="actions"):
        write = gr.Button(words["write"], variant="primary", scale=3, min_width=160, elem_id="write")
        surprise = gr.Button(words["surprise"], scale=1, min_width=130, elem_id="surprise")
        stop = gr.Button(words["stop"], variant="stop", scale=1, min_width=100, visible=False, elem_id="stop")
    story = gr.HTML(message_html(words["waiting"]), elem_id="story")
    rows = gr.JSON(visible="hidden", value=[], elem_id="rows")
    with gr.Row(elem_classes="actions", visible=False) as after:
        again = gr.Button(words["again"], size="sm", min_width=130, elem_id="again")
        copy = gr.Button(words["copy"], size="sm", min_width=130, elem_id="copy")
        save_text = gr.Button(words["save_text"], size="sm", min_width=130, elem_id="save-text")
        save_json = gr.Button(words["save_json"], size="sm", min_width=130, elem_id="save-json")
    with gr.Accordion(words["settings"], open=False, elem_id="settings") as settings:
        with gr.Row():
            temperature = gr.Slider(0, 2, 0.8, step=0.05, label=words["temperature"], info=words["temperature_info"])
            top_k = gr.Slider(0, 200, 15, step=1, label=words["top_k"], info=words["top_k_info"])
        with gr.Row():
            max_tokens = gr.Slider(20, 450, 350, step=10, label=words["max_tokens"], info=words["max_tokens_info"])
            count = gr.Slider(1, MAX_STORIES, 1, step=1, label=words["count"], elem_id="count")
            seed = gr.Textbox(label=words["seed"], info=words["seed_info"], max_lines=1, elem_id="seed")
    demo_note = gr.HTML(f'<p class="note">{words["demo_note"]}</p>')

    async def on_write(text, language, model, temperature, top_k, max_tokens, count, seed, page, request: gr.Request):
        words = labels(page)
        stopped = visits.begin(request.session_hash)
        idle = gr.update(visible=False)
        try:
            text = clean_opening(text, page)
            spoken = language_of(text, language, page)
            name = choose_model(models, model, spoken, page)
            first = draw_seed(seed)
            sampling = Sampling(float(temperature), int(top_k), max_tokens=int(max_tokens))
            tongue = load_language(spoken)
            waking = () if models.loaded(name) else (words["loading"],)
            begun = story_html(text, "", tongue, waking, writing=True)
            change = gr.update(value=spoken) if spoken != language else gr.skip()
            yield begun, [], gr.update(visible=True), change, gr.skip()
            drafts = [Draft(name, first + index) for index in range(int(count))]
            async for _ in write_stories(models, drafts, text, sampling, stopped):
                if not any(draft.text or draft.ending for draft in drafts):
                    continue
                yield shelf([_shown(d, text, spoken, words) for d in drafts]), gr.skip(), gr.skip(), gr.skip(), gr.skip()
            failed = [draft.ending for draft in drafts if draft.failed]
            if failed and len(failed) == len(drafts):
                raise UserError(failed[0])
            yield gr.skip(), rows_of(drafts, text, spoken), idle, gr.skip(), gr.update(visible=True)
        except UserError as error:
            yield message_html(str(error), "problem"), [], idle, gr.skip(), idle
        finally:
            visits.end(request.session_hash, stopped)

    async def on_stop(request: gr.Request) -> None:
        visits.stop(request.session_hash)

    def on_language(name, model):
        fitting = models_for(models, name)
        value = model if model in fitting or model not in models.folders else (fitting[0] if fitting else None)
        return gr.Dropdown(fitting, value=value), gr.Dataset(samples=_examples(name))

    inputs = [opening, language, model, temperature, top_k, max_tokens, count, seed, page_language]
    outputs = [story, rows, stop, language, after]
    # No limit here: every story joins the engine's own batch at once, and Stop reaches it there.
    run = {"outputs": outputs, "concurrency_limit": None, "trigger_mode": "multiple", **PRIVATE}
    gr.on([write.click, opening.submit], on_write, inputs, **run)
    again.click(lambda: "", None, seed, **PRIVATE).then(on_write, inputs, **run)
    stop.click(on_stop, None, None, queue=False, **PRIVATE)
    surprise.click(_surprise, language, opening, **PRIVATE).then(on_write, inputs, **run)
    examples.click(lambda sample: sample[0], examples, opening, **PRIVATE)
    copy.click(None, rows, None, js=COPY, **PRIVATE)
    save_text.click(None, rows, None, js=SAVE_TEXT, **PRIVATE)
    save_json.click(None, rows, None, js=SAVE_JSON, **PRIVATE)
    language.change(on_language, [language, model], [model, examples], **PRIVATE)
    return {
        "story_language": language, "model": model, "opening": opening, "write": write, "surprise": surprise, "stop": stop,
        "again": again, "copy": copy, "save_text": save_text, "save_json": save_json, "examples": examples,
        "settings": settings, "temperature": temperature, "top_k": top_k, "max_tokens": max_tokens, "count": count,
        "seed": seed, "demo_note": demo_note,
    }  # fmt: skip


def rows_of(drafts: list[Draft], opening: str, language: str) -> list[dict]:
    """What is saved of stories: the columns that evaluation reads."""
    return [
        {
            "opening": opening, "completion": draft.text, "model": draft.model, "language": language,
            "index": index, "seed": draft.seed, "finished": draft.ending == "eos",
        }
        for index, draft in enumerate(drafts) if not draft.failed
    ]  # fmt: skip


def _shown(draft: Draft, opening: str, language: str, words: dict[str, str]) -> str:
    facts = facts_of(draft, opening, language, words)
    return story_html(opening, draft.text, load_language(language), facts, writing=not draft.ending)


def _examples(language: str) -> list[list[str]]:
    return [[opening] for opening in load_language(language).openings()[:EXAMPLES]]


def _surprise(language: str) -> str:
    return random.choice(load_language(language).openings())
