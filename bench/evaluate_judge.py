"""Claim: 3,000 stories judged by an endpoint of 2 s latency and 3,000 requests a minute take at most 1.1 × the limit's own minute.

The whole command is timed, with its start and its files, against a server on loopback that answers 429 to more. The peer
is what the paper's script does: 64 threads, each with one blocking call at a time (timed on a part with --quick).
"""

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from bench.claim import tell
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller

STORIES, LATENCY, PER_MINUTE, THREADS = 3000, 2.0, 3000, 64
ROOT = Path(__file__).resolve().parent.parent


def write_completions(path: Path, count: int) -> None:
    """Stories of the storyteller, three an opening."""
    teller = load_storyteller("marathi")
    with open(path, "w", encoding="utf-8") as file:
        for number, p in enumerate(Prompts("marathi").range(0, count)):
            text = teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text)
            row = {"opening": f"एके दिवशी {number // 3}", "completion": f" {text}", "model": "m", "language": "marathi"}
            file.write(json.dumps(row | {"index": number % 3}, ensure_ascii=False) + "\n")


def ours(path: Path, url: str, folder: Path) -> float:
    """Seconds of the command."""
    command = [sys.executable, "-m", "evaluation", "judge", path, "--provider", "openai", "--base-url", url]
    command += ["--model", "judge", "--rpm", PER_MINUTE, "--journal", folder / "scores.sqlite"]
    started = time.monotonic()
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True)
    return time.monotonic() - started


def threads(url: str, calls: int) -> float:
    """Seconds that as many blocking calls take in THREADS threads."""
    with httpx.Client(timeout=60, limits=httpx.Limits(max_connections=THREADS)) as client:

        def call(number: int) -> None:
            body = {"model": "peer", "messages": [{"role": "user", "content": f"{number}\n\nThe given "}]}
            client.post(f"{url}/chat/completions", json=body).raise_for_status()

        started = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(call, range(calls)))
        return time.monotonic() - started


def serve(*options: str) -> tuple[subprocess.Popen, str]:
    """The server and its base URL."""
    command = [sys.executable, str(ROOT / "tests" / "evaluation" / "judge_server.py"), "--delay", str(LATENCY), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, f"http://127.0.0.1:{int(process.stdout.readline())}/v1"


def main() -> None:
    """Print the table and the claim."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_completions(folder / "completions.jsonl", STORIES)
        server, url = serve("--rpm", str(PER_MINUTE))
        try:
            seconds = ours(folder / "completions.jsonl", url, folder)
            stats = httpx.get(url.removesuffix("/v1") + "/stats").json()
        finally:
            server.kill()
        calls = 10 * THREADS if "--quick" in sys.argv else STORIES
        server, url = serve()
        try:
            peer = threads(url, calls) * STORIES / calls
        finally:
            server.kill()
    limit = STORIES / PER_MINUTE * 60
    print(f"{STORIES} stories, {LATENCY:g} s a call, {PER_MINUTE} requests a minute | seconds")
    print(f"the limit alone | {limit:.0f}\nours, the whole command | {seconds:.1f}\n{THREADS} threads | {peer:.1f}")
    print(f"answered | {sum(stats['good'].values())}\nover the limit | {stats['limited']}")
    peers = {f"{THREADS} threads / the limit": round(peer / limit, 2), "calls over the limit": stats["limited"]}
    ratio = seconds / limit
    tell("time of a judge run of 3,000 stories over the rate limit's own", ratio, 1.1, ratio <= 1.1, peers, ("openai",))


if __name__ == "__main__":
    main()
