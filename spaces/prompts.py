"""The prompt-builder tab: words become a prompt, the prompt a story, stories a small set to take home."""

import asyncio
import random
from dataclasses import asdict

import gradio as gr

from backend.errors import UserError
from backend.llm.engine import Rejected
from backend.llm.provider import Completion, ProviderError
from datagen.cleaning import story_in
from datagen.prompts import Prompt, Prompts
from datagen.templates import COMPLEXITIES
from datagen.words import load_words
from spaces.desk import PRIVATE, Desk
from spaces.endpoint_fields import OFFLINE, endpoint_fields, failure_html
from spaces.labels import labels
from spaces.opening_fields import language_field
from spaces.prompt_view import KINDS, prompt_html, told_html
from spaces.saving import SAVE_LINES
from spaces.story import message_html
from spaces.typed import typed
from spaces.visits import leave_alone

LABEL = "tab_prompts"
_LISTS = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives", "feature": "features"}
_PATIENCE = 180  # seconds for an endpoint's story
_MOST_KEPT = 200
_LONGEST_PROMPT = 6000  # characters


def build(desk: Desk) -> None:
    """The tab's parts and events."""
    words, visits, dice = desk.words, desk.visits, random.SystemRandom()
    first = _drawn(desk.default_language, "2+", dice)
    prompt_state = gr.State(first)
    with gr.Row(elem_classes="stack"):
        language = language_field(desk, "prompts-", every=True)
        complexity = gr.Radio(
            list(COMPLEXITIES), value=first.complexity, label=words["complexity"], info=words["complexity_info"],
            elem_id="complexity", elem_classes="languages", scale=3,
        )  # fmt: skip
        desk.label("complexity", complexity)
    with gr.Row():
        fields = [
            desk.label(
                f"asked_{kind}",
                gr.Dropdown(
                    _words_of(desk.default_language, kind), value=getattr(first, kind), label=words[f"asked_{kind}"],
                    elem_id=f"asked-{kind}", min_width=150,
                ),
            )
            for kind in KINDS
        ]  # fmt: skip
    shuffle = desk.label("shuffle", gr.Button(words["shuffle"], size="sm", elem_id="shuffle", min_width=160))
    shown = gr.HTML(_prompt_card(first, words), elem_id="prompt")
    with desk.label("edit_prompt", gr.Accordion(words["edit_prompt"], open=False, elem_classes="settings", elem_id="edit")):
        text = gr.Textbox(first.text, lines=8, max_lines=20, show_label=False, container=False, elem_id="prompt-text")
    answers = endpoint_fields(desk, "teller", "prompts")
    with gr.Row(elem_classes="actions", equal_height=True):
        ask = desk.label("ask_story", gr.Button(words["ask_story"], variant="primary", scale=3, elem_id="ask-story"))
        stop = gr.Button(words["stop"], variant="stop", scale=1, min_width=100, visible=False, elem_id="prompts-stop")
        desk.label("stop", stop)
    story = desk.label("prompts_waiting", gr.HTML(message_html(words["prompts_waiting"]), elem_id="asked-story"))
    row = gr.JSON(visible="hidden", value=[], elem_id="asked-row")
    kept = gr.JSON(visible="hidden", value=[], elem_id="kept")
    with gr.Row(elem_classes="actions", visible=False) as after:
        keep = desk.label("keep", gr.Button(words["keep"], size="sm", min_width=130, elem_id="keep"))
        score = desk.label("score_story", gr.Button(words["score_story"], size="sm", min_width=130, elem_id="asked-score"))
        desk.stories_to_judge.append((score, row))
    with gr.Row(elem_classes="actions", visible=False) as basket:
        save = gr.Button(words["save_set"], size="sm", min_width=160, elem_id="save-set")
        clear = desk.label("clear_set", gr.Button(words["clear_set"], size="sm", min_width=130, elem_id="clear-set"))

    def show(prompt: Prompt, page: str):
        return prompt, _prompt_card(prompt, labels(page)), prompt.text

    def on_language(language, complexity, page):
        prompt = _drawn(language, complexity, dice)
        updates = [gr.Dropdown(_words_of(language, kind), value=getattr(prompt, kind)) for kind in KINDS]
        return *show(prompt, page), *updates

    def on_shuffle(language, complexity, page):
        prompt = _drawn(language, complexity, dice)
        return *show(prompt, page), *(getattr(prompt, kind) for kind in KINDS)

    def on_words(language, complexity, page, *chosen):
        try:
            return show(_prompt(language, complexity, *chosen), page)
        except UserError:  # the words of the language before, while its change is under way
            return gr.skip(), gr.skip(), gr.skip()

    async def on_ask(request: gr.Request, prompt: Prompt, text: str, who: str, key: str, page: str):
        """Outputs: story, its row, stop, the row of buttons after it."""
        words, stopped = labels(page), visits.begin(request.session_hash, LABEL)
        hidden = gr.update(visible=False)
        try:
            if not (text := typed(text)):
                raise UserError(words["prompt_empty"].format(shuffle=words["shuffle"]))
            if len(text) > _LONGEST_PROMPT:
                raise UserError(words["prompt_too_long"].format(count=len(text), limit=_LONGEST_PROMPT))
            yield message_html(words["asking"]), [], gr.update(visible=True), hidden
            if who == OFFLINE:
                name, answer = words["teller_choices"][OFFLINE], await asyncio.to_thread(_storyteller, text, words)
                provider, model = "storyteller", "story-grammar"
            else:
                name, provider, model = who, "openai", answers.endpoints[who].model if who in answers.endpoints else ""
                answer = await _asked(answers.provider(who, key, words), text, stopped, words)
            if stopped.replaced:
                yield leave_alone(4)
                return
            if answer is None:
                yield message_html(words["prompts_waiting"]), [], hidden, hidden
                return
            told = story_in(answer)
            record = asdict(prompt) | {"prompt": text, "story": told, "provider": provider, "model": model}
            record["edited"] = text != record.pop("text")
            yield told_html(told, prompt.language, name, asdict(prompt), words), [record], hidden, gr.update(visible=True)
        except Rejected as error:
            yield message_html(words["no_story"].format(reason=str(error)[:160]), "problem"), [], hidden, hidden
        except (UserError, ProviderError) as error:
            yield failure_html(error, who, key, words), [], hidden, hidden
        finally:
            visits.end(request.session_hash, stopped)

    def on_keep(row, kept, page):
        kept = (kept or []) + (row or [])
        return kept[-_MOST_KEPT:], gr.update(visible=True), _save_label(kept, labels(page)), gr.update(visible=False)

    async def on_stop(request: gr.Request) -> None:
        visits.stop(request.session_hash)

    choice, page = [language, complexity], desk.page_language
    prompt_parts = [prompt_state, shown, text]
    language.change(on_language, [*choice, page], [*prompt_parts, *fields], **PRIVATE)
    shuffle.click(on_shuffle, [*choice, page], [*prompt_parts, *fields], **PRIVATE)
    gr.on([f.input for f in fields] + [complexity.input], on_words, [*choice, page, *fields], prompt_parts, **PRIVATE)
    run = {"concurrency_limit": None, "trigger_mode": "multiple", **PRIVATE}
    ask.click(on_ask, [prompt_state, text, answers.who, answers.key, page], [story, row, stop, after], **run)
    stop.click(on_stop, None, None, queue=False, **PRIVATE)
    keep.click(on_keep, [row, kept, page], [kept, basket, save, after], **PRIVATE)
    clear.click(lambda: ([], gr.update(visible=False)), None, [kept, basket], **PRIVATE)
    save.click(None, kept, None, js=SAVE_LINES, **PRIVATE)


async def _asked(provider, text: str, stopped: asyncio.Event, words: dict) -> Completion | None:
    """The provider's answer, or None when the visitor stopped. Raises ProviderError and UserError."""
    asking = asyncio.create_task(provider.complete([{"role": "user", "content": text}], max_tokens=2000, temperature=1.0))
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({asking, waiting}, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        if waiting.done():
            return None
        raise UserError(words["no_answer"].format(seconds=_PATIENCE))
    finally:
        asking.cancel()
        waiting.cancel()
        await provider.close()


def _storyteller(text: str, words: dict) -> Completion:
    from datagen.storyteller.provider import answer

    try:
        return Completion(answer(text))
    except UserError:  # which speaks of files and providers
        raise UserError(words["teller_only_ours"].format(shuffle=words["shuffle"])) from None


def _drawn(language: str, complexity: str, dice: random.Random) -> Prompt:
    prompts = Prompts(language, complexity)
    return prompts[dice.randrange(len(prompts))]


def _prompt(language: str, complexity: str, *chosen: str) -> Prompt:
    prompts = Prompts(language, complexity)
    return prompts[prompts.index(*chosen)]


def _words_of(language: str, kind: str) -> list[str]:
    return sorted({word["word"] for word in getattr(load_words(language), _LISTS[kind])})


def _prompt_card(prompt: Prompt, words: dict) -> str:
    chosen = asdict(prompt)
    count = len(Prompts(prompt.language, prompt.complexity))
    facts = words["prompt_count"].format(id=prompt.id, count=count)
    body = prompt_html(prompt.text, prompt.language, prompt.complexity, chosen)
    return f'<div class="prompt-card">{body}<p class="note">{facts}</p></div>'


def _save_label(kept: list, words: dict) -> dict:
    return gr.update(value=f"{words['save_set']} ({len(kept)})")

