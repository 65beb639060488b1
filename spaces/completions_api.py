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
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as PydanticField

from backend.errors import UserError
from backend.slm.engine import Engine
from backend.slm.sampling import MAX_SEED, Sampling
from backend.slm.shelf import Models
from backend.slm.stop_strings import StopStrings
from spaces.labels import labels
from spaces.quota import Quota
from spaces.visitor import visitor_address
from spaces.writing import MAX_WAITING, draw_seed

KEY_VARIABLE = "TINYSTORIES_API_KEY"
_MOST_CHOICES = 64
_REASONS = {"eos": "stop", "stop": "stop"}


class Asked(BaseModel):
    """The body of a request: OpenAI's fields, and vLLM's names for what OpenAI has not."""

    model_config = ConfigDict(extra="ignore")

    model: str
    prompt: str | list[str] | list[int] | list[list[int]] = ""
    max_tokens: int | None = 16
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    n: int | None = PydanticField(1, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = False
    stream_options: dict | None = None
    echo: bool | None = False
    suffix: str | None = None
    top_k: int | None = 0
    min_p: float | None = 0.0
    repetition_penalty: float | None = 1.0

    def prompts(self) -> list[str | list[int]]:
        """Each prompt as text or as token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if self.prompt and isinstance(self.prompt[0], int) else list(self.prompt)

    def stops(self) -> list[str]:
        """The stop strings."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())

    def sampling(self) -> Sampling:
        """The settings of a story. Raises UserError for one out of bounds."""

        def given(value, default):
            return default if value is None else value

        # A program that asks for so many tokens gets so many: no sentence is finished beyond them.
        return Sampling(
            given(self.temperature, 1.0), max(0, given(self.top_k, 0)), given(self.top_p, 1.0), given(self.min_p, 0.0),
            given(self.repetition_penalty, 1.0), given(self.max_tokens, 16), finish_sentence=False,
        )  # fmt: skip


@dataclass
class Choice:
    """One completion under way."""

    index: int
    prompt: str | list[int]
    seed: int
    text: str = ""
    prompt_tokens: int = 0
    tokens: int = 0
    finish: str | None = None
    pieces: asyncio.Queue = field(default_factory=asyncio.Queue)


class Refusal(Exception):
    """An answer in OpenAI's form of an error."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None):
        super().__init__(message)
        kind = "invalid_request_error" if status < 500 else "server_error"
        error = {"message": message, "type": kind, "param": param, "code": code}
        headers = {"Retry-After": "5"} if status in (429, 503) else {}
        self.response = JSONResponse({"error": error}, status, headers)


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
            asked = _parsed(await _body(request))
            return await _answer(models, quota, asked, request)
        except Refusal as refusal:
            return refusal.response

    return router


async def _body(request: Request) -> object:
    try:
        return await request.json()
    except ValueError:
        raise Refusal(400, "The body is no JSON.") from None


def _parsed(body: object) -> Asked:
    try:
        asked = Asked.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        raise Refusal(400, f"'{name}': {first['msg']}.", param=name or None) from None
    if asked.suffix:
        raise Refusal(400, "'suffix' is not offered: these models only write on.", param="suffix")
    choices = len(asked.prompts()) * asked.n
    if not 1 <= choices <= _MOST_CHOICES:
        raise Refusal(400, f"A request has between 1 and {_MOST_CHOICES} completions, prompts times n; this has {choices}.")
    return asked


async def _answer(models: Models, quota: Quota, asked: Asked, request: Request) -> Response:
    words = labels("english")
    try:
        sampling, seed = asked.sampling(), draw_seed(asked.seed, words)
    except UserError as error:
        raise Refusal(400, str(error)) from None
    choices = [
        Choice(number * asked.n + i, prompt, (seed + i) % (MAX_SEED + 1))
        for number, prompt in enumerate(asked.prompts()) for i in range(asked.n)
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
    told = [_choice(c, (_text(c.prompt) if asked.echo else "") + c.text, c.finish) for c in choices]
    return JSONResponse(answer | {"choices": told, "usage": _usage(choices)})


async def _tell_all(
    models: Models, quota: Quota, asked: Asked, choices: list[Choice], sampling: Sampling, owner: str
) -> AsyncIterator[list[tuple[Choice, str]]]:
    """Pieces of all choices as they come, at least every half second a list, be it empty."""
    try:
        with quota.taking(owner, len(choices), labels("english")):
            async with models.lend_async(asked.model) as engine:
                if engine.load + len(choices) > MAX_WAITING:
                    raise Refusal(503, labels("english")["busy"].format(count=engine.load), "overloaded")
                pieces: asyncio.Queue = asyncio.Queue()
                tasks = [asyncio.create_task(_tell(engine, c, sampling, asked.stops(), owner, pieces)) for c in choices]
                try:
                    async for come in _collected(tasks, pieces):
                        yield come
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
    except UserError as error:
        known = asked.model in models.folders
        raise Refusal(429 if "at most" in str(error) else 400, str(error)) if known else _unknown(asked.model) from None


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


async def _tell(engine: Engine, choice: Choice, sampling: Sampling, stops: list[str], owner: str, pieces: asyncio.Queue) -> None:
    prompt = choice.prompt
    story = engine.story(prompt if isinstance(prompt, str) else "", replace(sampling, seed=choice.seed), owner)
    if not isinstance(prompt, str):
        story.ids = engine.checked_ids(prompt)
    stop = StopStrings(stops)
    async with aclosing(engine.tell(story)) as deltas:
        async for delta in deltas:
            if shown := stop.push(delta):
                choice.text += shown
                pieces.put_nowait((choice, shown))
            if stop.hit:
                break
    if shown := stop.flush():
        choice.text += shown
        pieces.put_nowait((choice, shown))
    choice.tokens, choice.prompt_tokens = story.tokens, len(story.request.ids)
    choice.finish = "stop" if stop.hit else _REASONS.get(story.reason, "length")
    pieces.put_nowait((choice, ""))


async def _events(answer: dict, asked: Asked, choices: list[Choice], first: list | None, stories) -> AsyncIterator[str]:
    def event(body: dict) -> str:
        return f"data: {json.dumps(answer | body, ensure_ascii=False)}\n\n"

    async with aclosing(stories):
        if asked.echo:
            for choice in choices:
                yield event({"choices": [_choice(choice, _text(choice.prompt), None)]})
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
    return {"index": choice.index, "text": text, "logprobs": None, "finish_reason": finish}


def _text(prompt: str | list[int]) -> str:
    return prompt if isinstance(prompt, str) else ""


def _usage(choices: list[Choice]) -> dict:
    by_prompt = {str(choice.prompt): choice.prompt_tokens for choice in choices}
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
