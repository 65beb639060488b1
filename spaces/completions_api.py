"""The app's models behind OpenAI's `/v1/completions` and `/v1/models`, for `openai` clients and evaluation harnesses."""

import asyncio
import hmac
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from backend.errors import UserError
from backend.slm.engine import Engine
from backend.slm.sampling import Sampling, seeds_in_a_row
from backend.slm.shelf import Models
from backend.slm.stop_strings import StopStrings
from spaces.completions_logprobs import logprobs_of
from spaces.completions_request import Asked, Refusal, parsed
from spaces.labels import labels
from spaces.quota import Quota, TooMany
from spaces.visitor import visitor_address
from spaces.writing import MAX_WAITING, draw_seed

KEY_VARIABLE = "TINYSTORIES_API_KEY"
_REASONS = {"eos": "stop", "stop": "stop"}


@dataclass
class Choice:
    """One completion under way. `ids` are its tokens, the first `given` those of the prompt; `text` holds an echo too."""

    index: int
    prompt: str | list[int]
    seed: int
    text: str = ""
    ids: list[int] = field(default_factory=list)
    given: int = 0
    tokens: int = 0
    finish: str | None = None
    logprobs: dict | None = None


def completions_router(models: Models, quota: Quota) -> APIRouter:
    """The routes. With TINYSTORIES_API_KEY set, only who sends that key is answered."""
    router, started = APIRouter(prefix="/v1"), int(time.time())

    def described(name: str) -> dict:
        return {"id": name, "object": "model", "created": started, "owned_by": "tinystories-regional"}

    @router.get("/models")
    async def list_models(request: Request) -> Response:
        return _locked(request) or JSONResponse({"object": "list", "data": [described(name) for name in models.folders]})

    @router.get("/models/{name:path}")
    async def get_model(request: Request, name: str) -> Response:
        known = JSONResponse(described(name)) if name in models.folders else _unknown(name).response
        return _locked(request) or known

    @router.post("/completions")
    async def complete(request: Request) -> Response:
        if refused := _locked(request):
            return refused
        try:
            asked = parsed(await _body(request))
            return await _answer(models, quota, asked, request)
        except Refusal as refusal:
            return refusal.response

    return router


async def _body(request: Request) -> object:
    try:
        return await request.json()
    except ValueError:
        raise Refusal(400, "The body is no JSON.") from None


async def _answer(models: Models, quota: Quota, asked: Asked, request: Request) -> Response:
    words = labels("english")
    try:
        sampling, seed = asked.sampling(), draw_seed(asked.seed, words)
    except UserError as error:
        raise Refusal(400, str(error)) from None
    choices = [
        Choice(number * asked.each + i, prompt, own)
        for number, prompt in enumerate(asked.prompts()) for i, own in enumerate(seeds_in_a_row(seed, asked.each))
    ]  # fmt: skip
    answer = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time()), "model": asked.model}
    stories = _tell_all(models, quota, asked, choices, sampling, visitor_address(request))
    if asked.stream:
        # The first piece is waited for here, so that a refusal still has its status.
        first = await anext(stories, None)
        return StreamingResponse(_events(answer, asked, choices, first, stories), media_type="text/event-stream")
    async with aclosing(stories):
        async for _ in stories:
            if await request.is_disconnected():
                return Response(status_code=499)
    told = [_choice(choice, choice.text, choice.finish) for choice in choices]
    return JSONResponse(answer | {"choices": told, "usage": _usage(choices)})


async def _tell_all(
    models: Models, quota: Quota, asked: Asked, choices: list[Choice], sampling: Sampling, owner: str
) -> AsyncIterator[list[tuple[Choice, str]]]:
    """Pieces of all choices as they come, at least every half second a list, be it empty."""
    lent = False
    try:
        with quota.taking(owner, len(choices), labels("english")):
            async with models.lend_async(asked.model) as engine:
                lent = True
                if engine.load + len(choices) > MAX_WAITING:
                    raise Refusal(503, labels("english")["busy"].format(count=engine.load), "overloaded")
                pieces: asyncio.Queue = asyncio.Queue()
                tasks = [asyncio.create_task(_tell(engine, c, asked, sampling, owner, pieces)) for c in choices]
                try:
                    async for come in _collected(tasks, pieces):
                        yield come
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                if asked.logprobs is not None:
                    for choice in choices:
                        await asyncio.to_thread(_read, engine, choice, asked)
                        yield []
    except TooMany as error:
        raise Refusal(429, str(error), "rate_limit_exceeded") from None
    except UserError as error:
        known = lent or asked.model in models.folders
        raise (Refusal(400, str(error)) if known else Refusal(404, str(error), "model_not_found", "model")) from None


async def _collected(tasks: list[asyncio.Task], pieces: asyncio.Queue) -> AsyncIterator[list[tuple[Choice, str]]]:
    while True:
        done = all(task.done() for task in tasks)
        come = []
        with suppress(TimeoutError):
            if not done:
                come.append(await asyncio.wait_for(pieces.get(), 0.5))
        while not pieces.empty():
            come.append(pieces.get_nowait())
        for task in tasks:
            if task.done():
                task.result()
        yield come
        if done:
            return


async def _tell(engine: Engine, choice: Choice, asked: Asked, sampling: Sampling, owner: str, pieces: asyncio.Queue) -> None:
    def show(text: str) -> None:
        choice.text += text
        pieces.put_nowait((choice, text))

    story = engine.story("", replace(sampling, seed=choice.seed), owner)
    story.ids = choice.ids = _prompt_ids(engine, choice.prompt, asked)
    choice.given = len(choice.ids)
    if asked.echo:
        content = b"".join(engine.token_bytes[token] for token in choice.ids)
        show(choice.prompt if isinstance(choice.prompt, str) else content.decode("utf-8", "ignore"))
    stop = StopStrings(asked.stops())
    if not asked.only_reads:
        async with aclosing(engine.tell(story)) as deltas:
            async for delta in deltas:
                if shown := stop.push(delta):
                    show(shown)
                if stop.hit:
                    break
        if shown := stop.flush():
            show(shown)
    choice.tokens = story.tokens
    choice.finish = "stop" if stop.hit else _REASONS.get(story.reason, "length")
    choice.ids = [*choice.ids, *story.told, *([engine.tokenizer.eos_id] if story.reason == "eos" else [])]
    show("")


def _prompt_ids(engine: Engine, prompt: str | list[int], asked: Asked) -> list[int]:
    if not isinstance(prompt, str):
        return engine.checked_ids(prompt)
    if asked.echo and asked.logprobs is not None:  # as it stands, its last space too: it is read, not only written on
        return engine.checked_ids([engine.tokenizer.bos_id, *engine.tokenizer.encode(prompt)])
    return engine.prompt_ids(prompt)


def _read(engine: Engine, choice: Choice, asked: Asked) -> None:
    """Set the choice's `logprobs`, by one more reading of the whole."""
    readings = engine.read(choice.ids, asked.logprobs)
    # A prompt of text has got its bos here; one of ids is echoed id by id.
    first = int(isinstance(choice.prompt, str)) if asked.echo else choice.given
    cut = choice.finish == "stop" and bool(asked.stops())
    choice.logprobs = logprobs_of(readings[first:], engine.token_bytes, asked.logprobs, len(choice.text) if cut else None)


async def _events(answer: dict, asked: Asked, choices: list[Choice], first: list | None, stories) -> AsyncIterator[str]:
    def event(body: dict) -> str:
        return f"data: {json.dumps(answer | body, ensure_ascii=False)}\n\n"

    async with aclosing(stories):
        come = first
        while come is not None:
            for choice, shown in come:
                yield event({"choices": [_choice(choice, shown, None if shown else choice.finish)]})
            try:
                come = await anext(stories, None)
            except Refusal as refusal:
                yield f"data: {refusal.response.body.decode()}\n\n"
                return
        if (asked.stream_options or {}).get("include_usage"):
            yield event({"choices": [], "usage": _usage(choices)})
        yield "data: [DONE]\n\n"


def _choice(choice: Choice, text: str, finish: str | None) -> dict:
    return {"index": choice.index, "text": text, "logprobs": choice.logprobs, "finish_reason": finish}


def _usage(choices: list[Choice]) -> dict:
    by_prompt = {str(choice.prompt): choice.given for choice in choices}
    tokens_in, tokens_out = sum(by_prompt.values()), sum(choice.tokens for choice in choices)
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


def _locked(request: Request) -> Response | None:
    key = os.environ.get(KEY_VARIABLE, "")
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not key or hmac.compare_digest(key.encode(), given.encode()):
        return None
    return Refusal(401, "This server answers only with its own API key.", "invalid_api_key").response


def _unknown(name: str) -> Refusal:
    return Refusal(404, f"There is no model '{name[:100]}' here; ask /v1/models for those that are.", "model_not_found", "model")
