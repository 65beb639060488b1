"""An OpenAI-compatible server that fails on purpose: `python fault_server.py --port 0 --faults 0.2`.

It speaks HTTP/1.1 by hand, so that it can break it. It prints its port, and `GET /stats` says what it did: calls by
fault, and how many good answers each prompt was given.
"""

import argparse
import asyncio
import collections
import email.utils
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from datagen.prompts import Prompts
from datagen.storyteller.provider import answer

STATUS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests", 500: "Error", 503: "Busy"}
FAULTS = (
    "429", "429 date", "500", "503", "reset", "stall", "truncated", "malformed", "html", "slow", "duplicate", "empty", "not json",
    "no choices", "half",
)  # fmt: skip


class Server:
    def __init__(self, options):
        self.options, self.dice = options, random.Random(options.seed)
        self.calls, self.good = collections.Counter(), collections.Counter()
        self.keys = set()
        self.times, self.open, self.most_open = [], 0, 0
        self.limited_until = 0.0
        self.early = 0  # calls during a pause that this server asked for
        self.bucket, self.refilled = float(options.burst), time.monotonic()
        self.script = list(filter(None, options.script.split(",")))

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if lines[0].startswith("GET"):
                    self.reply(writer, 200, json.dumps(self.stats()))
                elif not await self.complete(json.loads(body), headers, writer):
                    return
                await writer.drain()
                if headers.get("connection", "").lower() == "close":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def stats(self):
        return {"calls": self.calls, "good": self.good, "early": self.early, "keys": sorted(self.keys), "most_open": self.most_open, "open": self.open,
                "times": self.times}  # fmt: skip

    async def complete(self, body, headers, writer):
        """Whether the connection stays open."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await self.answer(body, headers, writer)
        finally:
            self.open -= 1

    async def answer(self, body, headers, writer):
        if not body.get("messages"):
            self.reply(writer, 400, json.dumps({"error": {"message": "no messages"}}))
            return True
        options, prompt = self.options, body["messages"][-1]["content"]
        self.keys.add(headers.get("authorization", ""))
        now = time.monotonic()
        if now < self.limited_until - 0.02:
            self.early += 1
        limited = self.rate_headers(now)
        if limited is None:
            return self.limit(writer, "429 limit", 0.5)
        if options.key and headers.get("authorization") != f"Bearer {options.key}":
            self.reply(writer, 401, json.dumps({"error": {"message": f"wrong key {headers.get('authorization')}"}}))
            return True
        if options.formats == "none" and "response_format" in body:
            self.calls["response_format"] += 1
            self.reply(writer, 400, json.dumps({"error": {"message": "response_format is not supported"}}))
            return True
        fault = self.script.pop(0) if self.script else (self.dice.choice(FAULTS) if self.dice.random() < options.faults else "good")
        self.calls[fault] += 1
        if fault == "429":
            return self.limit(writer, "429", options.pause)
        if fault == "429 date":
            return self.limit(writer, "date", 1.0)
        if fault in ("500", "503"):
            self.reply(writer, int(fault), json.dumps({"error": {"message": "a fault"}}))
            return True
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault == "stall":
            await asyncio.sleep(options.stall)
            return False
        await asyncio.sleep(options.delay * (5 if fault == "slow" else 1))
        text = json.dumps(self.completion(prompt, fault))
        if fault == "truncated":
            self.reply(writer, 200, text, length=len(text) + 400)
            return False
        if fault == "malformed":
            text = text[: len(text) // 2]
        if fault == "html":
            self.reply(writer, 200, "<html>It works!</html>", kind="text/html")
            return True
        if fault in ("good", "slow"):
            self.good[prompt] += 1
            self.times.append(time.time())
        self.reply(writer, 200, text, more=limited)
        return True

    def completion(self, prompt, fault):
        if self.options.plain:
            content = json.dumps({"story": f"{self.good[prompt]} {prompt} " + "word " * 100})
        else:
            content = answer(prompt)
        if fault == "duplicate":
            content = answer(Prompts("english")[999_999].text)
        elif fault == "empty":
            content = '{"story": ""}'
        elif fault == "not json":
            content = "I am a teapot."
        elif fault == "half":
            content = content[: len(content) // 2]
        choices = [{"index": 0, "finish_reason": "length" if fault == "half" else "stop", "message": {"role": "assistant", "content": content}}]
        usage = {"prompt_tokens": 200, "completion_tokens": 300, "total_tokens": 500}
        return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [] if fault == "no choices" else choices, "usage": usage}

    def limit(self, writer, form, seconds):
        if form == "date":
            until = int(time.time() + seconds + 1)
            value, seconds = email.utils.formatdate(until, usegmt=True), until - time.time()
        else:
            value = str(seconds)
        self.limited_until = max(self.limited_until, time.monotonic() + seconds)
        self.calls["limited"] += 1
        self.reply(writer, 429, json.dumps({"error": {"message": "slow down"}}), more=[f"Retry-After: {value}"])
        return True

    def rate_headers(self, now):
        """Headers of a bucket that refills evenly, [] without one, None when it is empty."""
        if not self.options.rpm:
            return []
        rate = self.options.rpm / 60
        self.bucket = min(self.options.burst, self.bucket + (now - self.refilled) * rate)
        self.refilled = now
        if self.bucket < 1:
            return None
        self.bucket -= 1
        if not self.options.tell_limits:
            return []
        return [f"x-ratelimit-limit-requests: {int(self.options.rpm)}"]

    def reply(self, writer, status, text, kind="application/json", length=None, more=()):
        data = text.encode()
        lines = [f"HTTP/1.1 {status} {STATUS[status]}", f"Content-Type: {kind}", f"Content-Length: {length or len(data)}", *more]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)


async def main(arguments, tell_port):
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--script", default="", help="faults of the first calls, by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--pause", type=float, default=0.3)
    parser.add_argument("--stall", type=float, default=30.0)
    parser.add_argument("--rpm", type=float, default=0)
    parser.add_argument("--burst", type=float, default=20)
    parser.add_argument("--tell-limits", action="store_true")
    parser.add_argument("--formats", default="all")
    parser.add_argument("--key", default="")
    parser.add_argument("--plain", action="store_true")
    made = Server(parser.parse_args(arguments))
    server = await asyncio.start_server(made.serve, "127.0.0.1", made.options.port, limit=1 << 20, backlog=4096)
    tell_port(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve(arguments, tell_port):
    asyncio.run(main(arguments, tell_port))


if __name__ == "__main__":
    serve(None, lambda port: print(port, flush=True))
