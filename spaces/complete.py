"""The first tab: a beginning goes in, a story streams out."""

import gradio as gr

from backend.errors import UserError
from backend.languages import load_language
from backend.slm.sampling import seeds_in_a_row
from spaces.choice import choose_model
from spaces.desk import PRIVATE, Desk, note_html
from spaces.labels import labels
from spaces.model_field import model_field
from spaces.opening import clean_opening, language_of
from spaces.opening_fields import any_opening, language_field, opening_fields, shown_language
from spaces.saving import COPY, SAVE_JSON, SAVE_TEXT
from spaces.scrolling import into_view
from spaces.settings import sampling_fields, sampling_of, seed_field
from spaces.story import message_html, shelf, story_html
from spaces.verdict import facts_of
from spaces.visitor import visitor_address
from spaces.visits import leave_alone
from spaces.writing import MAX_STORIES, Draft, draw_seed, write_stories

LABEL = "tab_complete"


def build(desk: Desk) -> None:
    """The tab's parts and events."""
    models, visits, words = desk.models, desk.visits, desk.words
    with gr.Row(elem_classes="teller"):
        language = language_field(desk)
        model = model_field(desk, language)
    opening = opening_fields(desk, language)
    with gr.Row(elem_classes="actions", equal_height=True):
        write = desk.label("write", gr.Button(words["write"], variant="primary", scale=3, min_width=160, elem_id="write"))
        surprise = desk.label("surprise", gr.Button(words["surprise"], scale=1, min_width=130, elem_id="surprise"))
        stop = gr.Button(words["stop"], variant="stop", scale=1, min_width=100, visible=False, elem_id="stop")
        desk.label("stop", stop)
    story = desk.label("waiting", gr.HTML(message_html(words["waiting"]), elem_id="story"))
    rows = gr.JSON(visible="hidden", value=[], elem_id="rows")
    with gr.Row(elem_classes="actions", visible=False) as after:
        again, copy, save_text, save_json = (
            desk.label(key, gr.Button(words[key], size="sm", min_width=130, elem_id=key.replace("_", "-")))
            for key in ("again", "copy", "save_text", "save_json")
        )
        score = desk.label("score_story", gr.Button(words["score_story"], size="sm", min_width=130, elem_id="score-told"))
        desk.stories_to_judge.append((score, rows))
    with desk.label("settings", gr.Accordion(words["settings"], open=False, elem_id="settings", elem_classes="settings")):
        fields = sampling_fields(desk)
        with gr.Row():
            count = gr.Slider(1, MAX_STORIES, 1, step=1, label=words["count"], info=words["count_info"], elem_id="count")
            desk.label("count", count)
            seed = seed_field(desk, "seed")
    desk.label("demo_note", gr.HTML(note_html(words["demo_note"])))

    async def on_write(request: gr.Request, text, language, model, count, seed, page, *settings):
        """Outputs: story, rows, stop, language, the row of buttons after it."""
        words = labels(page)
        stopped = visits.begin(request.session_hash, LABEL)
        idle = gr.update(visible=False)
        try:
            text = clean_opening(text, page)
            spoken = language_of(text, language, page, desk.written)
            name = choose_model(models, model, spoken, page)
            first = draw_seed(seed, words)
            sampling = sampling_of(settings)
            waking = () if models.loaded(name) else (words["loading"],)
            begun = story_html(text, "", load_language(spoken), waking, writing=True)
            change = shown_language(desk, spoken, language)
            yield begun, [], gr.update(visible=True), change, gr.skip()
            best_in = "" if str(seed or "").strip() else spoken
            drafts = [Draft(name, own, best_in) for own in seeds_in_a_row(first, int(count))]
            owner = visitor_address(request)
            with desk.quota.taking(owner, len(drafts), words):
                async for _ in write_stories(models, drafts, text, sampling, stopped, words, owner):
                    if stopped.replaced:
                        yield leave_alone(5)
                        return
                    if any(d.text or d.ending or d.ahead or d.fetched is not None for d in drafts):
                        cards = [_shown(draft, text, spoken, words) for draft in drafts]
                        yield shelf(cards), gr.skip(), gr.skip(), gr.skip(), gr.skip()
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

    inputs = [opening, language, model, count, seed, desk.page_language, *fields]
    outputs = [story, rows, stop, language, after]
    # No limit here: every story joins the engine's own batch at once, and Stop reaches it there.
    run = {"outputs": outputs, "concurrency_limit": None, "trigger_mode": "multiple", **PRIVATE}
    gr.on([write.click, surprise.click, again.click], None, None, None, js=into_view("write", "story"), **PRIVATE)
    gr.on([write.click, opening.submit], on_write, inputs, **run)
    again.click(lambda: "", None, seed, **PRIVATE).then(on_write, inputs, **run)
    stop.click(on_stop, None, None, queue=False, **PRIVATE)
    # Stop hides itself: who came to it by keyboard stands where the next story begins, not at the top of the page.
    stop.click(None, None, None, js="() => { document.querySelector('#write').focus({preventScroll: true}); }", **PRIVATE)
    surprise.click(any_opening, language, opening, **PRIVATE).then(on_write, inputs, **run)
    copy.click(None, rows, None, js=COPY, **PRIVATE)
    save_text.click(None, rows, None, js=SAVE_TEXT, **PRIVATE)
    save_json.click(None, rows, None, js=SAVE_JSON, **PRIVATE)


def rows_of(drafts: list[Draft], opening: str, language: str) -> list[dict]:
    """What is saved of stories: the columns that evaluation reads."""
    return [
        {
            "opening": opening, "completion": draft.text, "model": draft.model, "language": language,
            "index": index, "seed": draft.seed, "finished": draft.ending == "eos",
        } | ({"revision": draft.revision} if draft.revision else {})
        for index, draft in enumerate(drafts) if not draft.failed
    ]  # fmt: skip


def _shown(draft: Draft, opening: str, language: str, words: dict[str, str]) -> str:
    facts = facts_of(draft, opening, language, words)
    return story_html(opening, draft.text, load_language(language), facts, not draft.ending, come=draft.coming)
