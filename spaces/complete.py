"""The first tab: a beginning goes in, a story streams out."""

import random
import threading
from collections.abc import Iterator

import gradio as gr

from backend.errors import UserError
from backend.languages import language_names, load_language
from backend.slm.catalog import Models
from backend.slm.engine import Sampling
from evaluation.quick_check import LABEL, quick_check
from spaces.labels import labels
from spaces.opening import clean_opening
from spaces.story import message_html, shelf, story_html
from spaces.visits import Visits
from spaces.writing import MAX_STORIES, Draft, draw_seed, write_stories

_COPY = "(rows) => { navigator.clipboard.writeText((rows || []).map(r => r.opening + r.completion).join('\\n\\n---\\n\\n')); }"
_SAVE = """(rows) => {{
  if (!rows || !rows.length) return;
  const body = {body};
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([body], {{type: '{mime};charset=utf-8'}}));
  link.download = 'story-' + rows[0].language + '-' + rows[0].seed + '.{suffix}';
  link.click();
}}"""
_SAVE_TEXT = _SAVE.format(
    body="rows.map(r => r.opening + r.completion).join('\\n\\n---\\n\\n') + '\\n'", mime="text/plain", suffix="txt"
)
_SAVE_JSON = _SAVE.format(body="JSON.stringify(rows, null, 2)", mime="application/json", suffix="json")


def models_for(models: Models, language: str) -> list[str]:
    """Names of the models that write a language, those that say nothing of languages included."""
    return [m.name for m in models.folders.values() if not m.languages or language in m.languages]


def check(models: Models, model: str | None, language: str) -> str:
    """The model to use. Raises UserError when there is none."""
    if model:
        return model
    fitting = models_for(models, language)
    if not fitting:
        raise UserError(f"No model here writes {language}; put a model folder under models/, or name one from the Hub.")
    return fitting[0]


def rows_of(drafts: list[Draft], opening: str, language: str) -> list[dict]:
    """What is saved of stories: the columns that evaluation reads."""
    return [
        {
            "opening": opening, "completion": draft.text, "model": draft.model, "language": language,
            "index": index, "seed": draft.seed, "finished": draft.ending == "eos",
        }
        for index, draft in enumerate(drafts)
    ]  # fmt: skip


def note_of(draft: Draft, opening: str, language: str, words: dict[str, str]) -> str:
    """The line below a finished story: model, seed, speed, and the quick check by its name."""
    if not draft.ending:
        return ""
    if draft.ending not in ("eos", "length", "stopped"):
        return draft.ending
    facts = [draft.model, f"{words['used_seed']} {draft.seed}", f"{len(draft.text.split())} {words['words']}"]
    if draft.seconds:
        facts.append(f"{draft.tokens / draft.seconds:.0f} tokens/s")
    if draft.ending != "eos":
        facts.append(words["stopped"] if draft.ending == "stopped" else words["cut"])
    if draft.ending != "stopped":
        passed = quick_check(opening, draft.text, load_language(language), draft.ending == "eos").passed
        marks = [f"{'✓' if ok else '✗'} {name.replace('_', ' ')}" for name, ok in passed.items() if ok is not None]
        facts.append(f"{LABEL}: {', '.join(marks)}")
    return " · ".join(facts)


def build(models: Models, visits: Visits, page_language: gr.State, default_language: str = "hindi") -> dict:
    """The tab's components and events. Returns the components whose labels the page language sets, by label key."""
    words = labels("english")
    native = {load_language(name).native_name: name for name in language_names()}
    with gr.Row():
        language = gr.Radio(list(native.items()), value=default_language, label=words["story_language"], scale=3)
        model = gr.Dropdown(
            models_for(models, default_language), value=next(iter(models_for(models, default_language)), None),
            label=words["model"], allow_custom_value=True, scale=2,
        )  # fmt: skip
    opening = gr.Textbox(
        label=words["opening"], placeholder=words["placeholder"], lines=3, max_lines=8, autofocus=True, elem_id="opening"
    )
    with gr.Row():
        write = gr.Button(words["write"], variant="primary", scale=3, elem_id="write")
        surprise = gr.Button(words["surprise"], scale=1, elem_id="surprise")
        stop = gr.Button(words["stop"], variant="stop", scale=1, interactive=False, elem_id="stop")
    story = gr.HTML(message_html(words["waiting"]), elem_id="story")
    rows = gr.JSON(visible="hidden", value=[])
    with gr.Row():
        again = gr.Button(words["again"], size="sm", elem_id="again")
        copy = gr.Button(words["copy"], size="sm", elem_id="copy")
        save_text = gr.Button(words["save_text"], size="sm")
        save_json = gr.Button(words["save_json"], size="sm")
    examples = gr.Dataset(
        components=[gr.Textbox(visible=False)], samples=_examples(default_language), label=words["examples"],
        samples_per_page=6, elem_classes="examples", elem_id="examples",
    )  # fmt: skip
    with gr.Accordion(words["settings"], open=False) as settings:
        with gr.Row():
            temperature = gr.Slider(0, 2, 0.8, step=0.05, label=words["temperature"], info=words["temperature_info"])
            top_k = gr.Slider(0, 200, 15, step=1, label=words["top_k"], info=words["top_k_info"])
        with gr.Row():
            max_tokens = gr.Slider(20, 450, 350, step=10, label=words["max_tokens"])
            count = gr.Slider(1, MAX_STORIES, 1, step=1, label=words["count"])
            seed = gr.Textbox(label=words["seed"], info=words["seed_info"], elem_id="seed")
    demo_note = gr.HTML(f'<p class="note">{words["demo_note"]}</p>')

    def on_write(text, language, model, temperature, top_k, max_tokens, count, seed, page, request: gr.Request):
        words = labels(page)
        settings = load_language(language)
        stopped = visits.begin(request.session_hash)
        quiet = (gr.skip(), gr.update(interactive=False))
        try:
            text = clean_opening(text, settings)
            name, first = check(models, model, language), draw_seed(seed)
            sampling = Sampling(float(temperature), int(top_k), max_tokens=int(max_tokens))
            yield story_html(text, "", settings, writing=True), gr.skip(), gr.update(interactive=True)
            wanted = [(name, first + i) for i in range(int(count))]
            for drafts in write_stories(models, wanted, text, sampling, stopped):
                shown = [
                    story_html(text, d.text, settings, note_of(d, text, language, words), not d.ending) for d in drafts
                ]
                yield shelf(shown), *quiet[:1], gr.skip()
            yield shelf(shown), rows_of(drafts, text, language), gr.update(interactive=False)
        except UserError as error:
            yield message_html(str(error), "problem"), *quiet
        finally:
            visits.end(request.session_hash, stopped)

    inputs = [opening, language, model, temperature, top_k, max_tokens, count, seed, page_language]
    outputs = [story, rows, stop]
    run = {"outputs": outputs, "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 16}
    gr.on([write.click, opening.submit], on_write, inputs, **run)
    again.click(lambda: "", None, seed, api_visibility="private").then(on_write, inputs, **run)
    stop.click(_stop(visits), None, None, api_visibility="private", queue=False)
    surprise.click(lambda name: random.choice(load_language(name).openings()), language, opening, api_visibility="private")
    examples.click(lambda sample: sample[0], examples, opening, api_visibility="private")
    copy.click(None, rows, None, js=_COPY, api_visibility="private")
    save_text.click(None, rows, None, js=_SAVE_TEXT, api_visibility="private")
    save_json.click(None, rows, None, js=_SAVE_JSON, api_visibility="private")

    def on_language(name):
        fitting = models_for(models, name)
        return gr.Dropdown(fitting, value=next(iter(fitting), None)), gr.Dataset(samples=_examples(name))

    language.change(on_language, language, [model, examples], api_visibility="private", show_progress="hidden")
    _add_api(models)
    return {
        "story_language": language, "model": model, "opening": opening, "write": write, "surprise": surprise, "stop": stop,
        "again": again, "copy": copy, "save_text": save_text, "save_json": save_json, "examples": examples,
        "settings": settings, "temperature": temperature, "top_k": top_k, "max_tokens": max_tokens, "count": count,
        "seed": seed, "demo_note": demo_note,
    }  # fmt: skip


def _stop(visits: Visits):
    def on_stop(request: gr.Request) -> None:
        visits.stop(request.session_hash)

    return on_stop


def _examples(language: str) -> list[list[str]]:
    return [[opening] for opening in load_language(language).openings()[:18]]


def _add_api(models: Models) -> None:
    def complete(
        opening: str,
        language: str = "hindi",
        model: str | None = None,
        temperature: float = 0.8,
        top_k: int = 15,
        max_tokens: int = 350,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Complete a story. Streams the story so far, opening included, and ends with the whole story.

        Args:
            opening: how the story begins, in the language's script
            language: hindi, marathi, bangla, english or another language of the app
            model: a model of the app, or a Hub id of an allowed organisation; by default the first for the language
            temperature: 0 is greedy
            top_k: how many tokens are in the draw; 0 for all
            max_tokens: after which the story stops at its next sentence end
            seed: the same seed gives the same story
        """
        try:
            text = clean_opening(opening, load_language(language))
            name = check(models, model, language)
            sampling = Sampling(temperature, top_k, max_tokens=max(1, min(max_tokens, 450)))
            for drafts in write_stories(models, [(name, draw_seed(seed))], text, sampling, threading.Event()):
                yield text + drafts[0].text
            if drafts[0].ending not in ("eos", "length"):
                raise UserError(drafts[0].ending)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None

    gr.api(complete, api_name="complete", concurrency_limit=16)
