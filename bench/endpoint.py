"""An OpenAI-compatible endpoint for measuring clients: told in advance, after a fixed delay, and as light as can be.

It runs in a process of its own on one core, so that it is no part of what is measured; `bench.peers.bare` tells what it
can serve at most. Every prompt has an answer of its own that stands ready, as the checks of a story ask for.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping

import httpx
import orjson
import uvloop

from datagen.storyteller.provider import answer

CORES = sorted(os.sched_getaffinity(0))
_USAGE = {"prompt_tokens": 200, "completion_tokens": 300, "total_tokens": 500}
_LIMITED = orjson.dumps({"error": {"message": "slow down"}})


def ready_answers(prompts: list[str]) -> dict[str, bytes]:
    """The whole HTTP response to each prompt, told by the storyteller."""
    return {prompt: _response(b"200 OK", orjson.dumps(_completion(answer(prompt)))) for prompt in prompts}


class Endpoint:
    """A server of its own, and what it has seen."""

    def __init__(self, answers: Mapping[str, bytes], delay: float, per_minute: float = 0, burst: float = 40):
        receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
        self.process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(answers, delay, per_minute, burst, sender.send), daemon=True
        )
        self.process.start()
        self.url = f"http://127.0.0.1:{receiver.recv()}/v1"

    def stats(self) -> dict:
        """`times` of good answers, Unix seconds; `limited`, how many were refused; `cpu`, its seconds of processor."""
        return orjson.loads(httpx.get(self.url.removesuffix("/v1") + "/stats", timeout=60).content)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.join()


def on_core(number: int) -> Callable[[], None]:
    """For a process that shall have one core."""
    return lambda: os.sched_setaffinity(0, {CORES[number]})


class _Server:
    def __init__(self, answers: Mapping[str, bytes], delay: float, per_minute: float, burst: float):
        self.answers, self.delay, self.rate, self.burst = answers, delay, per_minute / 60, burst
        self.bucket, self.refilled = burst, time.monotonic()
        self.times: list[float] = []
        self.limited = 0
        self.loop = asyncio.get_running_loop()

    def is_over_the_limit(self) -> bool:
        """Takes one call from a bucket that refills evenly."""
        if not self.rate:
            return False
        now = time.monotonic()
        self.bucket, self.refilled = min(self.burst, self.bucket + (now - self.refilled) * self.rate), now
        if self.bucket < 1:
            self.limited += 1
            return True
        self.bucket -= 1
        return False

    def stats(self) -> bytes:
        return orjson.dumps({"times": self.times, "limited": self.limited, "cpu": time.process_time()})


class _Connection(asyncio.Protocol):
    def __init__(self, server: _Server):
        self.server, self.buffer = server, b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer = buffer = self.buffer + data if self.buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = buffer[:end].lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(buffer) < end + 4 + length:
            return
        self.buffer = b""
        server = self.server
        if head.startswith(b"get"):
            self.transport.write(_response(b"200 OK", server.stats()))
        elif server.is_over_the_limit():
            self.transport.write(_response(b"429 Too Many Requests", _LIMITED, b"Retry-After: 0.5\r\n"))
        else:
            prompt = orjson.loads(buffer[end + 4 :])["messages"][-1]["content"]
            server.loop.call_later(server.delay, self.reply, server.answers[prompt], b"connection: close" in head)

    def reply(self, response: bytes, closes: bool) -> None:
        if not self.transport.is_closing():
            self.server.times.append(time.time())
            self.transport.write(response)
            if closes:
                self.transport.close()


def _completion(content: str) -> dict:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": _USAGE}


def _response(status: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), more, body)


def _serve(answers, delay, per_minute, burst, tell_port) -> None:
    on_core(-1)()

    async def main() -> None:
        made = _Server(answers, delay, per_minute, burst)
        server = await made.loop.create_server(lambda: _Connection(made), "127.0.0.1", 0, backlog=8192)
        tell_port(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())
