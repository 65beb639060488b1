"""What a server can serve at most: `python -m bench.peers.bare URL PROMPTS.jsonl OUT SECONDS CONNECTIONS`.

So many connections, each with one call after another, of bytes that stand ready; an answer is read to its end and
thrown away. No client that does anything with its answers can be faster.
"""

import asyncio
import sys
import time
import urllib.parse
from pathlib import Path

import orjson
import uvloop


class _Caller(asyncio.Protocol):
    def __init__(self, requests: list[bytes], number: int, step: int, ends: float):
        self.requests, self.number, self.step, self.ends = requests, number, step, ends
        self.missing = 0

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.transport.write(self.requests[self.number % len(self.requests)])
        self.number += self.step

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            end = data.find(b"\r\n\r\n")
            self.missing = int(data[:end].lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]) + end + 4
        self.missing -= len(data)
        if not self.missing and time.monotonic() < self.ends:
            self.ask()


async def _run(url: str, requests: list[bytes], seconds: float, connections: int) -> None:
    parts, loop, ends = urllib.parse.urlsplit(url), asyncio.get_running_loop(), time.monotonic() + seconds
    for number in range(connections):
        await loop.create_connection(lambda number=number: _Caller(requests, number, connections, ends), parts.hostname, parts.port)
    await asyncio.sleep(max(0.0, ends - time.monotonic()))


def main(url: str, prompts: str, out: str, seconds: str, connections: str) -> None:
    """As the module says; `out` is not written."""
    requests = []
    for line in Path(prompts).read_text("utf-8").splitlines():
        body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": orjson.loads(line)["text"]}]})
        requests.append(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    uvloop.run(_run(url, requests, float(seconds), int(connections)))


if __name__ == "__main__":
    main(*sys.argv[1:])
