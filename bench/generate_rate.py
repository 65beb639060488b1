"""Claims: a run uses 0.97 of the rate that an endpoint allows, and without a limit is 20 × as fast as the paper's threads.

The server is on loopback and answers a prompt after 2 s; the client has one core to itself, the server the other. The
whole command is timed, from the first answer on, with its journal and its checks. Peers, in the same run: the paper's
4 × 16 threads and the OpenAI cookbook's parallel processor, both made again, and with `--datatrove PYTHON` that
package's inference runner, from the interpreter of an environment that has it (and httpx). bespokelabs-curator is no
peer: it fetches a tokenizer of OpenAI's before its first call, which a machine without a network cannot.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bench.claim import tell
from datagen.prompts import Prompts

LATENCY, PER_MINUTE = 2.0, 6000
PROMPTS = 120_000
ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "tests" / "backend" / "llm" / "fault_server.py"
CORES = sorted(os.sched_getaffinity(0))


class Endpoint:
    """A server of its own, and what it has seen."""

    def __init__(self, *options: str):
        command = [sys.executable, str(SERVER), "--delay", str(LATENCY), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=on_core(-1))
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"

    def stats(self) -> dict:
        """Calls by kind, and the times of answers."""
        return httpx.get(self.url.removesuffix("/v1") + "/stats", timeout=60).json()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()


def on_core(number: int) -> Callable[[], None]:
    """For a process that shall have one core."""
    return lambda: os.sched_setaffinity(0, {CORES[number]})


def rate(command: list, endpoint: Endpoint, seconds: float) -> tuple[float, float, int]:
    """Answers a second in the first so many seconds after the first one, in the last third of these, and 429s."""
    process = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=on_core(0)
    )
    begun = time.monotonic()
    while not (times := endpoint.stats()["times"]):
        if process.poll() is not None or time.monotonic() - begun > 120:
            print(f"{command[1]} {command[2]} made no call.", file=sys.stderr)
            process.kill()
            return 0.0, 0.0, 0
        time.sleep(0.5)
    time.sleep(max(0.0, times[0] + seconds + 1 - time.time()))
    stats = endpoint.stats()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    since = [moment - stats["times"][0] for moment in sorted(stats["times"])]
    last = sum(seconds * 2 / 3 <= moment < seconds for moment in since) / (seconds / 3)
    return sum(moment < seconds for moment in since) / seconds, last, stats["calls"].get("limited", 0)


def measure(seconds: float, peers: dict[str, str]) -> tuple[dict, dict]:
    """Rates under the limit and without one, by name."""
    limited, free = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompts = folder / "prompts.jsonl"
        with open(prompts, "w", encoding="utf-8") as file:
            for prompt in Prompts("english").range(0, PROMPTS):
                file.write(json.dumps({"id": prompt.id, "text": prompt.text}) + "\n")

        def ours(url: str, *more) -> list:
            line = [sys.executable, "-m", "datagen", "stories", "english", "--count", PROMPTS, "--provider", "openai", "--model", "m"]
            return [*line, "--base-url", url, "--journal", folder / f"{len(limited)}-{len(free)}.sqlite", "--yes", *more]

        with Endpoint("--rpm", str(PER_MINUTE), "--burst", "40") as server:
            limited["ours"] = rate(ours(server.url, "--rpm", PER_MINUTE), server, seconds)
        with Endpoint("--rpm", str(PER_MINUTE), "--burst", "40") as server:
            limited["cookbook"] = rate(_cookbook(server.url, prompts, folder, seconds, PER_MINUTE), server, seconds)
        with Endpoint() as server:
            free["ours"] = rate(ours(server.url, "--concurrency", 8192), server, seconds)
        with Endpoint() as server:
            threads = [sys.executable, "-m", "bench.peers.threads", server.url, prompts, folder / "threads", seconds + 5]
            free["4 × 16 threads"] = rate(threads, server, min(seconds, 30))
        with Endpoint() as server:
            free["cookbook"] = rate(_cookbook(server.url, prompts, folder, seconds, 10**9), server, seconds)
        for peer, python in peers.items():
            with Endpoint() as server:
                command = [python, ROOT / "bench" / "peers" / f"{peer}_runner.py", server.url, prompts, folder / peer, 8192]
                free[peer] = rate(command, server, seconds)
    return limited, free


def _cookbook(url: str, prompts: Path, folder: Path, seconds: float, per_minute: float) -> list:
    return [sys.executable, "-m", "bench.peers.cookbook", url, prompts, folder / f"cookbook-{per_minute}.jsonl", seconds + 10, per_minute]


def main() -> None:
    """Print the tables and the claims."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--datatrove", help="a Python that has it")
    options = parser.parse_args()
    seconds = 30.0 if options.quick else 60.0
    limited, free = measure(seconds, {"datatrove": options.datatrove} if options.datatrove else {})
    print(f"{LATENCY:g} s an answer, at most {PER_MINUTE} a minute, {seconds:.0f} s | share of the allowed rate | 429s")
    for name, (whole, _, refused) in limited.items():
        print(f"{name} | {whole * 60 / PER_MINUTE:.3f} | {refused}")
    print(f"{LATENCY:g} s an answer, no limit, {seconds:.0f} s from the first answer | answers/s | in the last third")
    for name, (whole, last, _) in free.items():
        print(f"{name} | {whole:.0f} | {last:.0f}")
    share = limited["ours"][0] * 60 / PER_MINUTE
    peers = {name: round(whole * 60 / PER_MINUTE, 3) for name, (whole, _, _) in limited.items() if name != "ours"}
    tell("share of 6,000 requests/min at 2 s latency", share, 0.97, share >= 0.97, peers, ("openai",))
    ratio = free["ours"][0] / free["4 × 16 threads"][0]
    peers = {f"{name}, answers/s": round(whole, 1) for name, (whole, _, _) in free.items()}
    ahead = all(free["ours"][0] >= whole for whole, _, _ in free.values())
    tell("answers/s without a limit over the paper's 4 × 16 threads", ratio, 20, ratio >= 20 and ahead, peers, ("openai", "aiohttp"))


if __name__ == "__main__":
    main()
