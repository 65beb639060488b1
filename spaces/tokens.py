"""The tab that looks into a model: how it cuts a text into tokens, how likely each was, and what else might have come."""

import asyncio
from dataclasses import replace

import gradio as gr

from backend.errors import UserError
from backend.languages import load_language
from spaces.choice import choose_model
from spaces.desk import PRIVATE, Desk, note_html
from spaces.labels import labels
from spaces.model_field import model_field
from spaces.opening import clean_opening, language_of
from spaces.opening_fields import language_field, opening_fields, shown_language
from spaces.scrolling import into_view
from spaces.settings import sampling_fields, sampling_of, seed_field
from spaces.story import message_html
from spaces.token_pieces import pieces
from spaces.token_view import tokens_html
from spaces.verdict import facts_of, model_of
from spaces.visitor import visitor_address
from spaces.visits import leave_alone
from spaces.writing import Draft, draw_seed, write_stories

LABEL = "tab_tokens"
_ALTERNATIVES = 6
_LONGEST = 120  # tokens of a story that is looked into


def build(desk: Desk) -> None:
    """The tab's parts and events."""
    models, visits, words = desk.models, desk.visits, desk.words
    with gr.Row():
        language = language_field(desk, "tokens-")
        model = model_field(desk, language, "tokens-")
    opening = opening_fields(desk, language, "tokens-")
    with gr.Row(elem_classes="actions", equal_height=True):
        go_on = desk.label("look_and_tell", gr.Button(words["look_and_tell"], variant="primary", scale=2, elem_id="look-and-tell"))
        look = desk.label("look", gr.Button(words["look"], scale=1, elem_id="look"))
    shown = desk.label("tokens_waiting", gr.HTML(message_html(words["tokens_waiting"]), elem_id="tokens"))
    desk.label("tokens_note", gr.HTML(note_html(words["tokens_note"])))
    with desk.label("settings", gr.Accordion(words["settings"], open=False, elem_classes="settings", elem_id="tokens-settings")):
        fields = sampling_fields(desk)
        seed = seed_field(desk, "tokens-seed")

    def looking(tell: bool):
        async def on_look(request: gr.Request, text, language, model, seed, page, *settings):
            """Outputs: what is shown, language."""
            words, stopped = labels(page), visits.begin(request.session_hash, LABEL)
            try:
                text = clean_opening(text, page)
                spoken = language_of(text, language, page, desk.written)
                draft = Draft(choose_model(models, model, spoken, page), draw_seed(seed, words))
                change = shown_language(desk, spoken, language)
                waking = gr.skip() if models.loaded(draft.model) else message_html(words["loading"])
                yield waking, change
                sampling, owner = sampling_of(settings), visitor_address(request)
                # One token is told even where none is asked for: it brings the model and waits its turn.
                short = replace(sampling, max_tokens=min(sampling.max_tokens, _LONGEST) if tell else 1, finish_sentence=tell)
                with desk.quota.taking(owner, 1, words):
                    async for _ in write_stories(models, [draft], text, short, stopped, words, owner):
                        if draft.coming is not None or draft.ahead:
                            yield message_html(facts_of(draft, text, spoken, words)[0], share=draft.coming), gr.skip()
                    if stopped.replaced:
                        yield leave_alone(2)
                        return
                    if draft.failed:
                        raise UserError(draft.ending)
                    async with models.lend_async(draft.model) as engine:
                        given, told = engine.prompt_ids(text), draft.story.told if tell and draft.story else []
                        readings = await asyncio.to_thread(engine.read, [*given, *told], _ALTERNATIVES)
                        table = engine.token_bytes
                found = pieces(readings, table, len(given))
                yield tokens_html(found, table, load_language(spoken).code, words, model_of(draft)), gr.skip()
            except UserError as error:
                yield message_html(str(error), "problem"), gr.skip()
            finally:
                visits.end(request.session_hash, stopped)

        return on_look

    inputs = [opening, language, model, seed, desk.page_language, *fields]
    run = {"concurrency_limit": None, "trigger_mode": "multiple", **PRIVATE}
    gr.on([go_on.click, look.click], None, None, None, js=into_view("look-and-tell", "tokens"), **PRIVATE)
    gr.on([go_on.click, opening.submit], looking(True), inputs, [shown, language], **run)
    look.click(looking(False), inputs, [shown, language], **run)
