"""What endpoints send where a completion should be: each is what it is to the run, and nobody's key goes astray."""

import asyncio
import contextlib
from types import SimpleNamespace

import orjson
import pytest

from backend.llm import openai_provider
from backend.llm.http_transport import MOST_BYTES, Reply
from backend.llm.openai_provider import OpenAIProvider
from backend.llm.provider import Fatal, RateLimited, Transient

KEY = "sk-the-key-of-this-test"
USAGE = {"prompt_tokens": 7, "completion_tokens": 9}


def completion(content="Once.", finish="stop", **more) -> bytes:
    return orjson.dumps({"choices": [{"message": {"content": content}, "finish_reason": finish}], "usage": USAGE, **more})


class Saying:
    def __init__(self, reply: Reply):
        self.reply = reply

    async def post(self, body: dict) -> Reply:
        return self.reply


async def asked(content: bytes, status=200, stream=False, **headers):
    reply = Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
    provider = OpenAIProvider("m", "http://127.0.0.1:1/v1", api_key=KEY, stream=stream, transport=lambda *_: Saying(reply))
    return await provider.complete([{"role": "user", "content": "Tell."}])


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        ({"code": 429, "message": "slow down"}, RateLimited, "rate limited"),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, RateLimited, "rate limited"),
        ({"code": "insufficient_quota", "message": "pay"}, Fatal, "no money"),
        ({"code": "401", "message": f"no such key: {KEY}"}, Fatal, "not allowed"),
        ({"code": 502, "message": "upstream"}, Transient, "status 502"),
        ({"message": "upstream"}, Transient, "server error"),
        ("upstream", Transient, "server error"),
    ],
)
@pytest.mark.parametrize("form", [lambda body: body, lambda body: b": waiting\n\ndata: " + body + b"\n\n"])
async def test_an_error_within_an_answer_is_what_its_code_says(error, kind, reason, form):
    with pytest.raises(kind) as raised:
        await asked(form(orjson.dumps({"error": error})), content_type="text/event-stream")
    assert raised.value.reason == reason and KEY not in str(raised.value)


async def test_a_stream_that_nobody_asked_for_and_a_whole_answer_in_place_of_one_are_read():
    chunks = [{"choices": [{"delta": {"content": part}}]} for part in ("On", "ce.")] + [{"choices": [{"delta": {}, "finish_reason": "stop"}]}]
    stream = b": keep-alive\n\n" + b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    assert (await asked(stream, content_type="text/event-stream; charset=utf-8")).text == "Once."
    assert (await asked(b"\n\n" + completion(), stream=True)).text == "Once."


async def test_a_text_in_parts_is_put_together_without_the_thoughts():
    parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "On"}, {"type": "text", "text": "ce."}]
    assert (await asked(completion(parts))).text == "Once."


@pytest.mark.parametrize("odd", [{"prompt_tokens": 1e30}, {"prompt_tokens": -1}, {"prompt_tokens": "many"}, {"cost": "free"}, []])
async def test_odd_counts_and_an_odd_end_are_not_believed(odd):
    done = await asked(completion(finish={"why": "odd"}, usage=odd))
    assert done.text == "Once." and done.input_tokens is None and done.cost is None and isinstance(done.finish_reason, str)


async def test_a_page_in_place_of_an_answer_says_so():
    with pytest.raises(Transient, match="no completion \\(text/html\\)"):
        await asked(b"<html>It works!</html>", content_type="text/html")


@contextlib.asynccontextmanager
async def serving(answer):
    """A server whose `answer(reader, writer)` says all that it says; gives its address, and the heads of what was asked."""
    heads = []

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(writer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", heads


@pytest.mark.parametrize("make", [openai_provider.make, openai_provider.make_official])
@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_told_and_never_followed(make, status):
    async def refer(writer):
        writer.write(f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}/chat/completions\r\nContent-Length: 0\r\n\r\n".encode())

    async with serving(refer) as (elsewhere, strayed), serving(refer) as (here, heads):
        (provider,) = make(SimpleNamespace(model="m", base_urls=(here,), headers={"X-Key": KEY}, timeouts=None, stream=False))
        with pytest.raises(Fatal) as moved:
            await provider.complete([{"role": "user", "content": "Tell."}])
        await provider.close()
    assert str(moved.value) == f"{here} answered {status}: it has moved to {elsewhere}" and "--base-url" in moved.value.advice
    assert len(heads) == 1 and not strayed


async def test_an_answer_without_an_end_is_not_waited_for():
    async def flood(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        for _ in range(MOST_BYTES >> 15):
            writer.write(b" " * (1 << 16))
            await writer.drain()

    async with serving(flood) as (here, _):
        provider = OpenAIProvider("m", here)
        with pytest.raises(Transient, match="more than 4 MB"):
            await provider.complete([{"role": "user", "content": "Tell."}])
        await provider.close()
