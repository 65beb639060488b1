"""The compare tab: two to four models tell from one opening at the same time; blind, it is a small arena."""

import asyncio
from collections.abc import AsyncIterator

import gradio as gr

from backend.errors import UserError
from backend.languages import load_language
from spaces.battle import MOST_MODELS, SIDES, Battle, contenders, paced
from spaces.choice import known_name, models_for
from spaces.complete import rows_of
from spaces.desk import PRIVATE, Desk
from spaces.differences import bits_per_byte, differences_html
from spaces.labels import labels
from spaces.leaderboard_view import Leaderboard
from spaces.opening import clean_opening, language_of
from spaces.opening_fields import any_opening, language_field, opening_fields, shown_language
from spaces.saving import SAVE_JSON
from spaces.scrolling import into_view
from spaces.settings import sampling_fields, sampling_of, seed_field
from spaces.story import message_html, shelf, story_html
from spaces.verdict import facts_of
from spaces.visitor import visitor_address
from spaces.visits import leave_alone
from spaces.votes import Votes
from spaces.writing import Draft, draw_seed, write_stories

LABEL = "tab_compare"
_VOTES = {"vote_first": "first", "vote_second": "second", "vote_tie": "tie", "vote_bad": "bad"}


def build(desk: Desk) -> None:
    """The tab's parts and events."""
    models, visits, words, votes = desk.models, desk.visits, desk.words, Votes()
    fitting = models_for(models, desk.default_language)
    battle = gr.State(None)
    language = language_field(desk, "compare-")
    with gr.Row(elem_classes="stack"):
        names = gr.Dropdown(
            fitting, value=fitting[:2], multiselect=True, max_choices=MOST_MODELS, allow_custom_value=True,
            label=words["models"], info=words["models_info"], elem_id="compare-models", scale=2,
        )  # fmt: skip
        desk.label("models", names)
        blind = gr.Checkbox(value=True, label=words["blind"], info=words["blind_info"], elem_id="blind", scale=1, min_width=240)
        desk.label("blind", blind)
    opening = opening_fields(desk, language, "compare-")
    with gr.Row(elem_classes="actions", equal_height=True):
        tell = desk.label("tell", gr.Button(words["tell"], variant="primary", scale=3, min_width=160, elem_id="tell"))
        surprise = desk.label("surprise", gr.Button(words["surprise"], scale=1, min_width=130, elem_id="compare-surprise"))
        stop = gr.Button(words["stop"], variant="stop", scale=1, min_width=100, visible=False, elem_id="compare-stop")
        desk.label("stop", stop)
    stories = desk.label("compare_waiting", gr.HTML(message_html(words["compare_waiting"]), elem_id="compare-stories"))
    said = desk.label("vote_question", gr.HTML(elem_id="vote-said"))
    with gr.Row(elem_classes="actions", visible=False) as ballot:
        buttons = {
            key: desk.label(key, gr.Button(words[key], min_width=130, elem_id=key.replace("_", "-"), elem_classes="vote"))
            for key in _VOTES
        }
    table = gr.HTML(elem_id="differences")
    rows = gr.JSON(visible="hidden", value=[], elem_id="compare-rows")
    with gr.Row(elem_classes="actions", visible=False) as after:
        save = desk.label("save_json", gr.Button(words["save_json"], size="sm", min_width=130, elem_id="compare-save"))
        score = desk.label("score_stories", gr.Button(words["score_stories"], size="sm", min_width=130, elem_id="compare-score"))
        desk.stories_to_judge.append((score, rows))
    with desk.label("settings", gr.Accordion(words["settings"], open=False, elem_classes="settings", elem_id="compare-settings")):
        fields = sampling_fields(desk)
        seed = seed_field(desk, "compare-seed")
    board = Leaderboard(desk, votes)

    async def on_tell(request: gr.Request, text, language, names, blind, seed, page, *settings):
        """Outputs: stories, battle, stop, ballot, what was said of a vote, table, rows, the row after, language."""
        words, stopped = labels(page), visits.begin(request.session_hash, LABEL)
        hidden, same = gr.update(visible=False), gr.skip()
        try:
            text = clean_opening(text, page)
            spoken = language_of(text, language, page, desk.written)
            chosen = contenders([known_name(name) for name in names or ()], models_for(models, spoken), blind, words)
            first = draw_seed(seed, words)
            fight = Battle(spoken, text, sampling_of(settings), [Draft(name, first) for name in chosen], blind)
            change = shown_language(desk, spoken, language)
            yield _shown(fight, words), None, gr.update(visible=True), hidden, "", "", [], hidden, change
            owner = visitor_address(request)
            with desk.quota.taking(owner, len(chosen), words):
                async for _ in write_stories(models, fight.drafts, text, fight.sampling, stopped, words, owner):
                    if stopped.replaced:
                        yield leave_alone(9)
                        return
                    yield _shown(fight, words), same, same, same, same, same, same, same, same
            fight.end()
            failed = [draft.ending for draft in fight.drafts if draft.failed]
            if failed:
                raise UserError(failed[0])
            if fight.votable:
                said = message_html(words["vote_question"], "question")
                yield same, fight, hidden, gr.update(visible=True), said, same, same, same, same
                return
            fight.reveal()
            yield _shown(fight, words), None, hidden, hidden, "", same, _rows(fight), gr.update(visible=True), same
            if not stopped.is_set():
                async for shown in _differences(fight, words):
                    if stopped.replaced:
                        yield leave_alone(9)
                        return
                    yield same, same, same, same, same, shown, same, same, same
        except UserError as error:
            yield message_html(str(error), "problem"), None, hidden, hidden, "", "", [], hidden, same
        finally:
            visits.end(request.session_hash, stopped)

    def voting(verdict: str):
        async def on_vote(request: gr.Request, fight: Battle | None, board_language, page):
            """Outputs: stories, battle, ballot, what is said, table, rows, the row after, standings."""
            words, same = labels(page), gr.skip()
            if fight is None or not fight.votable:
                # The second click of two leaves to the first what is said and shown.
                yield same, None, gr.update(visible=False), same, same, same, same, same
                return
            fight.reveal()
            visit = visits.begin(request.session_hash, LABEL, alone=False)
            try:
                visitor = await asyncio.to_thread(votes.pseudonym, visitor_address(request))
                vote = await asyncio.to_thread(votes.add, *fight.vote(verdict, visitor))
                why = "vote_thanks" if vote and not vote.discounted else f"vote_{vote.discounted if vote else 'repeated'}"
                standing = await asyncio.to_thread(board.html, board_language, page)
                if visit.replaced:
                    yield leave_alone(8)
                    return
                said = message_html(words[why], "question")
                hidden, shown = gr.update(visible=False), gr.update(visible=True)
                yield _shown(fight, words), None, hidden, said, same, _rows(fight), shown, standing
                async for table in _differences(fight, words):
                    if visit.replaced:
                        yield leave_alone(8)
                        return
                    yield same, same, same, same, table, same, same, same
            finally:
                visits.end(request.session_hash, visit)

        return on_vote

    async def _differences(fight: Battle, words: dict) -> AsyncIterator[str]:
        drafts, titles = fight.drafts, fight.titles()
        yield differences_html(drafts, titles, None, words)
        asked = [asyncio.to_thread(bits_per_byte, models, d.model, other, fight.opening) for d in drafts for other in drafts]
        found = await asyncio.gather(*asked)
        surprise = [found[i : i + len(drafts)] for i in range(0, len(found), len(drafts))]
        yield differences_html(drafts, titles, surprise, words)

    async def on_stop(request: gr.Request) -> None:
        visits.stop(request.session_hash)

    def on_language(name, chosen):
        fitting = models_for(models, name)
        kept = [model for model in chosen or () if model in fitting or model not in models.folders]
        return gr.Dropdown(fitting, value=kept if len(kept) > 1 else fitting[:2])

    inputs = [opening, language, names, blind, seed, desk.page_language, *fields]
    outputs = [stories, battle, stop, ballot, said, table, rows, after, language]
    run = {"concurrency_limit": None, "trigger_mode": "multiple", **PRIVATE}
    gr.on([tell.click, surprise.click], None, None, None, js=into_view("tell", "compare-stories"), **PRIVATE)
    gr.on([tell.click, opening.submit], on_tell, inputs, outputs, **run)
    surprise.click(any_opening, language, opening, **PRIVATE).then(on_tell, inputs, outputs, **run)
    stop.click(on_stop, None, None, queue=False, **PRIVATE)
    language.change(on_language, [language, names], names, **PRIVATE)
    save.click(None, rows, None, js=SAVE_JSON, **PRIVATE)
    voted = [stories, battle, ballot, said, table, rows, after, board.table]
    for key, verdict in _VOTES.items():
        buttons[key].click(voting(verdict), [battle, board.language, desk.page_language], voted, **run)


def _rows(fight: Battle) -> list[dict]:
    return rows_of(fight.drafts, fight.opening, fight.language)


def _shown(fight: Battle, words: dict) -> str:
    language, cards = load_language(fight.language), []
    texts = paced(fight.drafts) if fight.blind else [draft.text for draft in fight.drafts]
    going_on = any(not draft.ending for draft in fight.drafts)
    # Blind, all wait alike for a model of the Hub: which one it is would tell its name.
    coming = [draft.coming for draft in fight.drafts if draft.coming is not None]
    for draft, title, side, text in zip(fight.drafts, fight.titles(), SIDES, texts, strict=False):
        facts = [] if fight.blind and not draft.ahead else facts_of(draft, fight.opening, fight.language, words)
        title = side if title == side or fight.blind else f"{side} · {title}"
        writing = going_on if fight.blind else not draft.ending
        come = min(coming, default=None) if fight.blind else draft.coming
        cards.append(story_html(fight.opening, text, language, facts, writing, title, come))
    return shelf(cards)
