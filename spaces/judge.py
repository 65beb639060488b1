"""The judge tab: a story, or a file of them, scored by an LLM that the operator allows, or by the offline quick check."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path

import gradio as gr

from backend.errors import UserError
from backend.llm.estimate import estimate
from backend.llm.provider import ProviderError
from evaluation.completions import Completion
from evaluation.judge import ANSWER_TOKENS, questions
from evaluation.quick_check import quick_check
from spaces.desk import PRIVATE, Desk, choices, note_html
from spaces.endpoint_fields import OFFLINE, EndpointFields, endpoint_fields, failure_html
from spaces.judged import pasted, uploaded
from spaces.judging import Judging, judge_all, priced
from spaces.labels import labels
from spaces.opening_fields import language_field
from spaces.saving import SAVE_SCORES
from spaces.score_view import (
    check_each,
    checked_html,
    checked_many,
    dollars,
    judged_html,
    judged_many_html,
    problems_html,
    spent_html,
)
from spaces.scrolling import into_view
from spaces.story import message_html
from spaces.visits import leave_alone

LABEL = "tab_judge"
_MOST_JUDGED = 300  # stories of one batch for an endpoint
_MOST_CHECKED = 5000
_CHECKED_AT_ONCE = 50
Told = tuple[str, list[dict] | None]  # HTML, and at the end the rows to save
_SCORED = ":is(.label, .scores, .facts, .problem, progress)"  # what tells that scoring has begun
_SHOW_SCORES = into_view("score", "scores", _SCORED)
_SHOW_PLAN, _SHOW_BATCH = into_view("upload", "batch-plan", ".message"), into_view("score-all", "batch-result", _SCORED)


def build(desk: Desk) -> None:
    """The tab's parts and events."""
    words = desk.words
    language = language_field(desk, "judge-", every=True)
    opening = gr.Textbox(
        label=words["judge_opening"], placeholder=words["judge_opening_placeholder"], lines=2, max_lines=6,
        elem_id="judge-opening", elem_classes="opening-field",
    )  # fmt: skip
    desk.label("judge_opening", opening)
    story = gr.Textbox(
        label=words["judge_story"], placeholder=words["judge_story_placeholder"], lines=6, max_lines=20,
        elem_id="judge-story", elem_classes="opening-field",
    )  # fmt: skip
    desk.label("judge_story", story)
    answers = endpoint_fields(desk, "judge_by", "judge")
    with gr.Row(elem_classes="stack", visible=False) as how:
        rubric = gr.Radio(
            choices(words, "rubric"), value="paper", label=words["rubric"], elem_id="rubric", elem_classes="languages"
        )
        desk.label("rubric", rubric)
        repeats = gr.Slider(1, 5, 3, step=1, label=words["repeats"], info=words["repeats_info"], elem_id="repeats")
        desk.label("repeats", repeats)
    with gr.Row(elem_classes="actions", equal_height=True):
        score = desk.label("score", gr.Button(words["score"], variant="primary", scale=3, min_width=160, elem_id="score"))
        stop = gr.Button(words["stop"], variant="stop", scale=1, min_width=100, visible=False, elem_id="judge-stop")
        desk.label("stop", stop)
    result = desk.label("judge_waiting", gr.HTML(message_html(words["judge_waiting"]), elem_id="scores"))
    batch = _Batch(desk, answers, language, rubric, repeats)

    async def on_score(request: gr.Request, opening, story, language, who, key, rubric, repeats, page):
        """Outputs: result, stop, language."""
        words, stopped = labels(page), desk.visits.begin(request.session_hash, "score")
        hidden, same, chosen = gr.update(visible=False), gr.skip(), language
        try:
            item = pasted(opening, story, language, words)
            change = same if item.language == chosen else item.language
            if who == OFFLINE:
                yield checked_html(quick_check(item.opening, item.completion, item.language), words), hidden, change
                return
            provider = answers.provider(who, key, words)
            asked = questions([item], [provider.model], rubric, int(repeats))
            yield _progress(0, len(asked), words), gr.update(visible=True), change
            async for state in judge_all(provider, asked, stopped):
                if stopped.replaced:
                    yield leave_alone(3)
                    return
                yield _progress(state.done, state.asked, words), same, same
            shown = judged_html(state.ratings, words) if state.ratings else message_html(words["judge_waiting"])
            problems = problems_html(state, words)
            yield shown + problems if state.ratings or not problems else problems, hidden, same
        except (UserError, ProviderError) as error:
            yield failure_html(error, who, key, words), hidden, same
        finally:
            desk.visits.end(request.session_hash, stopped)

    async def on_stop(request: gr.Request) -> None:
        desk.visits.stop(request.session_hash)

    inputs = [opening, story, language, answers.who, answers.key, rubric, repeats, desk.page_language]
    score.click(None, None, None, js=_SHOW_SCORES, **PRIVATE)
    score.click(on_score, inputs, [result, stop, language], concurrency_limit=None, trigger_mode="multiple", **PRIVATE)
    stop.click(on_stop, None, None, queue=False, **PRIVATE)
    answers.who.change(lambda who: gr.update(visible=who != OFFLINE), answers.who, how, **PRIVATE)
    for button, rows in desk.stories_to_judge:
        _hand_over(desk, button, rows, [language, opening, story, result], batch)


class _Batch:
    """Many stories at once: a file, or those that another tab sent over."""

    def __init__(self, desk: Desk, answers: EndpointFields, language: gr.Radio, rubric: gr.Radio, repeats: gr.Slider):
        self.desk, self.answers, words = desk, answers, desk.words
        self.stories = gr.State([])
        with desk.label("batch", gr.Accordion(words["batch"], open=False, elem_id="batch", elem_classes="settings")) as fold:
            self.fold = fold
            desk.label("batch_note", gr.HTML(note_html(words["batch_note"])))
            with gr.Row(elem_classes="actions"):
                upload = gr.UploadButton(
                    words["upload"], file_types=[".jsonl", ".json"], size="sm", min_width=160, elem_id="upload"
                )
                run = desk.label("score_all", gr.Button(words["score_all"], size="sm", interactive=False, elem_id="score-all"))
                stop = gr.Button(words["stop"], variant="stop", size="sm", visible=False, elem_id="batch-stop")
                save = gr.Button(words["save_scores"], size="sm", visible=False, elem_id="save-scores")
            desk.label("upload", upload), desk.label("stop", stop), desk.label("save_scores", save)
            # Apart, so that what a next run would take never hides what the last one found.
            self.plan, self.result = gr.HTML(elem_id="batch-plan"), gr.HTML(elem_id="batch-result")
            rows = gr.JSON(visible="hidden", value=[])
        self.run, self.save, self.rows = run, save, rows
        self.asked = asked = [self.stories, answers.who, rubric, repeats, desk.page_language]
        shown = [self.stories, run, self.plan, self.result, rows, save]
        upload.upload(None, None, None, js=_SHOW_PLAN, **PRIVATE)
        upload.upload(self.on_upload, [upload, language, *asked[1:]], shown, **PRIVATE)
        gr.on([answers.who.change, rubric.change, repeats.change], self.on_plan, asked, self.plan, **PRIVATE)
        inputs = [self.stories, answers.who, answers.key, rubric, repeats, desk.page_language]
        outputs = [self.result, rows, run, stop, save, self.plan]
        run.click(None, None, None, js=_SHOW_BATCH, **PRIVATE)
        run.click(self.on_run, inputs, outputs, concurrency_limit=None, trigger_mode="multiple", **PRIVATE)
        stop.click(self.on_stop, None, None, queue=False, **PRIVATE)
        save.click(None, rows, None, js=SAVE_SCORES, **PRIVATE)

    def on_upload(self, file, language, who, rubric, repeats, page):
        """Outputs: stories, run, plan, result, rows, save. A file that is none leaves the last one's scores where they are."""
        try:
            stories = uploaded(Path(file), language, labels(page))
        except UserError as error:
            # The file's name is told, not where the server keeps it.
            said = str(error).replace(str(Path(file).parent) + "/", "")
            return [], gr.update(interactive=False), message_html(said, "problem"), *(gr.skip(),) * 3
        finally:
            Path(file).unlink(missing_ok=True)
        plan = self.on_plan(stories, who, rubric, repeats, page)
        return stories, gr.update(interactive=True), plan, "", [], gr.update(visible=False)

    def on_plan(self, stories, who, rubric, repeats, page):
        """What a run would take, before anything is asked."""
        return message_html(self.needed(stories, who, rubric, repeats, labels(page))) if stories else gr.skip()

    def needed(self, stories, who, rubric, repeats, words) -> str:
        """The same as a sentence."""
        offline = who == OFFLINE
        some = stories[: _MOST_CHECKED if offline else _MOST_JUDGED]
        left_out = words["first_only"].format(limit=len(some), count=len(stories)) if len(some) < len(stories) else ""
        if offline:
            return f"{words['plan_quick'].format(stories=len(some))} {left_out}".strip()
        items = [question.item for question in questions(some, [who], rubric, 1)]
        plan = estimate(items, len(items) * int(repeats), ANSWER_TOKENS[rubric], self.answers.price(who))
        said = words["plan_judge"].format(stories=len(some), calls=plan.calls, tin=plan.input_tokens, tout=plan.output_tokens)
        said = said if plan.cost is None else f"{said.rstrip(' .।')}: ≈ {dollars(plan.cost)}."
        return f"{said} {left_out}".strip()

    async def on_run(self, request: gr.Request, stories, who, key, rubric, repeats, page):
        """Outputs: result, rows, run, stop, save, plan."""
        words, visits = labels(page), self.desk.visits
        stopped, hidden, ready = visits.begin(request.session_hash, "batch"), gr.update(visible=False), gr.update(interactive=True)
        busy, same = ([], gr.update(interactive=False), gr.update(visible=True), hidden, ""), (gr.skip(),) * 5
        begun = False
        try:
            if who == OFFLINE:
                running = _check_all(stories[:_MOST_CHECKED], stopped, words)
            else:
                running = self._judge_all(stories[:_MOST_JUDGED], who, key, rubric, int(repeats), stopped, words)
            async with aclosing(running):
                async for told, rows in running:
                    if stopped.replaced:
                        yield leave_alone(6)
                        return
                    if rows is None:
                        yield told, *(same if begun else busy)
                        begun = True
                    else:
                        yield told, rows, ready, hidden, gr.update(visible=bool(rows)), same[0]
        except (UserError, ProviderError) as error:
            yield failure_html(error, who, key, words), [], ready, hidden, hidden, gr.skip()
        finally:
            visits.end(request.session_hash, stopped)

    async def _judge_all(self, stories, who, key, rubric, repeats, stopped, words) -> AsyncIterator[Told]:
        provider, price = self.answers.provider(who, key, words), self.answers.price(who)
        asked = questions(stories, [provider.model], rubric, repeats)
        state, failure = Judging(len(asked)), ""
        try:
            async for state in judge_all(provider, asked, stopped):
                yield _progress(state.done, state.asked, words), None
        except ProviderError as error:
            if not state.ratings:
                raise
            failure = failure_html(error, who, key, words)  # what has come until then is there, and may be paid for
        ratings = [priced(rating, price) for rating in state.ratings]
        table = await asyncio.to_thread(judged_many_html, ratings, words) if ratings else ""
        told = table + spent_html(state, price, words) + problems_html(state, words) + failure
        yield told, [asdict(rating) for rating in ratings]

    async def on_stop(self, request: gr.Request) -> None:
        self.desk.visits.stop(request.session_hash)


def _hand_over(desk: Desk, button: gr.Button, rows: gr.JSON, fields: list, batch: _Batch) -> None:
    """Wire another tab's button: one story fills the fields, several become a batch; the judge tab opens.

    The quick check is had at once, for it costs nothing; of an endpoint what it would take is told.
    """

    def receive(rows, who, rubric, repeats, page):
        words, offline = labels(page), who == OFFLINE
        stories = [
            Completion(
                row.get("opening", ""), row.get("completion", row.get("story", "")), row["model"], row["language"],
                row.get("index", 0), row.get("seed"), row.get("finished"),
            )
            for row in rows or []
        ]  # fmt: skip
        if len(stories) < 2:
            one = stories[0] if stories else Completion("", "", "", desk.default_language)
            told = checked_html(check_each([one])[0], words) if stories and offline else message_html(words["judge_waiting"])
            return one.language, one.opening, one.completion.strip(), told, *(gr.skip(),) * 7, gr.Tabs(selected=LABEL)
        plan, table, checked = "", "", []
        if offline:
            table, checked = checked_many(stories, check_each(stories), words)
        else:
            told = words["handed"].format(count=len(stories))
            plan = message_html(f"{told} {batch.needed(stories, who, rubric, repeats, words)}")
        shown = stories, gr.update(interactive=True), plan, table, gr.update(open=True), checked, gr.update(visible=bool(checked))
        return stories[0].language, "", "", message_html(words["judge_waiting"]), *shown, gr.Tabs(selected=LABEL)

    outputs = [*fields, batch.stories, batch.run, batch.plan, batch.result, batch.fold, batch.rows, batch.save, desk.tabs]
    button.click(None, rows, None, js=f"(rows) => (rows || []).length > 1 ? ({_SHOW_BATCH})() : ({_SHOW_SCORES})()", **PRIVATE)
    button.click(receive, [rows, *batch.asked[1:]], outputs, **PRIVATE)


def _progress(done: int, asked: int, words: dict) -> str:
    said = words["judging_progress"].format(done=done, asked=asked)
    return f'<div class="message hint"><progress value="{done}" max="{asked}"></progress><br>{said}</div>'


async def _check_all(stories: list[Completion], stopped: asyncio.Event, words: dict) -> AsyncIterator[Told]:
    checks = []
    yield _progress(0, len(stories), words), None
    while len(checks) < len(stories) and not stopped.is_set():
        checks += await asyncio.to_thread(check_each, stories[len(checks) : len(checks) + _CHECKED_AT_ONCE])
        yield _progress(len(checks), len(stories), words), None
    table, rows = checked_many(stories[: len(checks)], checks, words)
    yield table + (note_html(words["stopped"]) if len(checks) < len(stories) else ""), rows
