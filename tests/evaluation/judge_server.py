"""An OpenAI-compatible server of judges: `python judge_server.py --delay 2 --rpm 3000`. It prints its port.

The model's name says how it grades: `seven` gives sevens, `length` looks at length alone, `first` prefers what is shown
first; any other grades by a hash of the story. `GET /stats` tells how many good answers each question was given,
with which keys each model was asked, and how many other connections are open.
"""

import argparse
import asyncio
import collections
import hashlib
import json
import re
import time

CRITERIA = ("context awareness", "completeness", "grammar", "fluency", "creativity", "overall")


def quality(text: str) -> float:
    """0…1, the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def answer(model: str, prompt: str) -> dict:
    """What this judge says."""
    pair = re.findall(r"<story_[AB]>\n(.*?)\n</story_[AB]>", prompt, re.DOTALL)
    if pair:
        worth = {"first": lambda _: 0, "length": len}.get(model, quality)
        return {"reason": "r", "better": "A" if worth(pair[0]) >= worth(pair[1]) else "B"}
    story = prompt.partition("\n\nThe given ")[0]
    if model == "seven":
        grades = [7] * 6
    elif model == "length":
        grades = [max(1, min(10, len(story.split()) // 20))] * 6
    else:
        grades = [4 + int(6 * quality(f"{name} {story}")) for name in CRITERIA]
    return {name: str(grade) for name, grade in zip(CRITERIA, grades, strict=True)}


class Server:
    """State and answers."""

    def __init__(self, options):
        self.options = options
        self.asked, self.good = collections.Counter(), collections.Counter()
        self.keys = collections.defaultdict(set)
        self.went: collections.deque[float] = collections.deque()
        self.limited = self.connections = 0

    async def serve(self, reader, writer):
        """One connection."""
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if head[0].startswith("GET"):
                    keys = {model: sorted(keys) for model, keys in self.keys.items()}
                    text = {"good": self.good, "keys": keys, "limited": self.limited, "others": self.connections - 1}
                    status = 200
                else:
                    status, text = await self.complete(json.loads(body), headers)
                content = json.dumps(text).encode()
                lines = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
                writer.write(lines.encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def complete(self, body, headers):
        """Status and body."""
        model, prompt = body["model"], body["messages"][-1]["content"]
        self.keys[model].add(headers.get("authorization", ""))
        now = time.monotonic()
        while self.went and self.went[0] <= now - 60:
            self.went.popleft()
        if self.options.rpm and len(self.went) >= self.options.rpm:
            self.limited += 1
            return 429, {"error": {"message": "too many requests"}}
        self.went.append(now)
        await asyncio.sleep(self.options.delay)
        question = hashlib.sha256(f"{model} {prompt}".encode()).hexdigest()
        self.asked[question] += 1
        if self.asked[question] == 1 and quality(question) < self.options.unreadable:
            content = "It is a lovely story."
        else:
            self.good[question] += 1
            content = json.dumps(answer(model, prompt))
        message = {"role": "assistant", "content": content}
        usage = {"prompt_tokens": 500, "completion_tokens": 60, "total_tokens": 560}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return 200, {"id": "x", "object": "chat.completion", "created": 1, "model": model, "choices": choices, "usage": usage}


async def main():
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0, help="seconds")
    parser.add_argument("--rpm", type=int, default=0, help="more within a minute are answered with 429")
    parser.add_argument("--unreadable", type=float, default=0.0, help="share of questions whose first answer holds no score")
    state = Server(parser.parse_args())
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0, limit=1 << 20, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
