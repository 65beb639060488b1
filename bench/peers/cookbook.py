"""The scheme of the OpenAI cookbook's parallel processor, made again from its description.

One asyncio loop that wakes every millisecond, begins a call when its capacity of requests allows (refilled evenly, full
at the start), pauses 15 s after a 429, and appends each answer to a JSONL file.
`python -m bench.peers.cookbook URL PROMPTS.jsonl OUT SECONDS REQUESTS_A_MINUTE`
"""

import asyncio
import json
import sys
import time
from collections import deque
from pathlib import Path

import aiohttp

_WAKE, _PAUSE, _ATTEMPTS = 0.001, 15.0, 5


class Processor:
    """The loop and what it shares with its calls."""

    def __init__(self, url: str, out: str, per_minute: float):
        self.url, self.out, self.per_minute = f"{url}/chat/completions", out, per_minute
        self.limited_at = 0.0
        self.again: deque[tuple[dict, int]] = deque()

    async def run(self, prompts, seconds: float) -> None:
        """Until the prompts or the time are over."""
        capacity, last, ends = self.per_minute, time.monotonic(), time.monotonic() + seconds
        tasks: set[asyncio.Task] = set()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            waiting = None
            while (now := time.monotonic()) < ends:
                waiting = waiting or (self.again.popleft() if self.again else ((row, _ATTEMPTS) if (row := next(prompts, None)) else None))
                if waiting is None and not tasks:
                    return
                capacity = min(self.per_minute, capacity + self.per_minute * (now - last) / 60)
                last = now
                if waiting and capacity >= 1:
                    capacity -= 1
                    task = asyncio.create_task(self.call(session, *waiting))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    waiting = None
                await asyncio.sleep(_WAKE)
                if time.monotonic() - self.limited_at < _PAUSE:
                    await asyncio.sleep(min(ends, self.limited_at + _PAUSE) - time.monotonic())
            for task in tasks:
                task.cancel()

    async def call(self, session: aiohttp.ClientSession, prompt: dict, attempts: int) -> None:
        """One call; what fails is put back."""
        body = {"model": "m", "messages": [{"role": "user", "content": prompt["text"]}]}
        try:
            async with session.post(self.url, json=body) as response:
                answer = await response.json()
            if response.status == 429:
                self.limited_at = time.monotonic()
            story = answer["choices"][0]["message"]["content"]
        except (aiohttp.ClientError, KeyError, ValueError):
            if attempts:
                self.again.append((prompt, attempts - 1))
            return
        with open(self.out, "a", encoding="utf-8") as file:
            file.write(json.dumps({"id": prompt["id"], "answer": story}, ensure_ascii=False) + "\n")


def main(url: str, prompts: str, out: str, seconds: str, per_minute: str) -> None:
    """As the module says."""
    rows = map(json.loads, Path(prompts).read_text("utf-8").splitlines())
    asyncio.run(Processor(url, out, float(per_minute)).run(rows, float(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
