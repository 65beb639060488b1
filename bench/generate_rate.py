"""Claims: a run uses 0.97 of the rate that an endpoint allows, and without a limit is 20 × as fast as the paper's threads.

The endpoint (`bench.endpoint`) is on loopback and answers a prompt after 2 s; the client has one core to itself, the
endpoint the other. The whole command is timed, from the first answer on, with its journal and its checks, by the wall
and by its processor seconds. Peers, in the same run: the paper's 4 × 16 threads and the OpenAI cookbook's parallel
processor, both made again, and with `--datatrove PYTHON` and `--distilabel PYTHON` these packages, from the
interpreters of environments that have them. `bare` throws its answers away: what the endpoint can give at most.
bespokelabs-curator is no peer: it fetches a tokenizer of OpenAI's before its first call, which a machine without a
network cannot.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from bench.claim import tell
from bench.endpoint import Endpoint, on_core, ready_answers
from bench.processor_time import processor_seconds
from datagen.prompts import Prompts

LATENCY, PER_MINUTE, CONCURRENCY = 2.0, 6000, 8192
PROMPTS = 120_000
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Rate:
    """Answers a second, over all of the time and in its last third; refused calls; milliseconds of processor an answer."""

    whole: float = 0.0
    last: float = 0.0
    refused: int = 0
    cpu: float = 0.0


def rate(command: list, endpoint: Endpoint, seconds: float) -> Rate:
    """Of a client, in the first so many seconds after its first answer."""
    process = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=on_core(0), start_new_session=True,
    )
    begun = time.monotonic()
    while not (times := endpoint.stats()["times"]):
        if process.poll() is not None or time.monotonic() - begun > 120:
            print(f"{' '.join(map(str, command[1:3]))} made no call.", file=sys.stderr)
            _end(process)
            return Rate()
        time.sleep(0.25)
    before, at_first = len(times), processor_seconds(process.pid)
    time.sleep(max(0.0, times[0] + seconds - time.time()))
    used, stats = processor_seconds(process.pid) - at_first, endpoint.stats()
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    _end(process)
    since = [moment - stats["times"][0] for moment in sorted(stats["times"])]
    last = sum(seconds * 2 / 3 <= moment < seconds for moment in since) / (seconds / 3)
    cpu = used * 1000 / max(1, len(since) - before)
    return Rate(sum(moment < seconds for moment in since) / seconds, last, stats["limited"], cpu)


def _end(process: subprocess.Popen) -> None:
    """Of a client with all that it has started: some leave workers behind when they are interrupted."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Race:
    """The clients, each against an endpoint of its own with the same answers."""

    def __init__(self, folder: Path, seconds: float, prompts: int = PROMPTS):
        texts = {prompt.id: prompt.text for prompt in Prompts("english").range(0, prompts)}
        self.answers: Mapping[str, bytes] = ready_answers(list(texts.values()))
        self.folder, self.seconds, self.prompts = folder, seconds, folder / "prompts.jsonl"
        with open(self.prompts, "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"id": id_, "text": text}) + "\n" for id_, text in texts.items())

    def limited(self) -> dict[str, Rate]:
        """Rates under the limit, by name."""
        clients = {"ours": self._ours("limited", "--rpm", PER_MINUTE), "cookbook": self._peer("cookbook", self.seconds + 10, PER_MINUTE)}
        return {name: self._run(client, self.seconds, PER_MINUTE) for name, client in clients.items()}

    def free(self, peers: Mapping[str, str]) -> dict[str, Rate]:
        """Rates without one; `peers` are interpreters by the name of the package."""
        found = {"bare": self._run(self._peer("bare", 20, CONCURRENCY), 12)}
        found["ours"] = self._run(self._ours("free", "--concurrency", CONCURRENCY), self.seconds)
        found["4 × 16 threads"] = self._run(self._peer("threads", self.seconds + 5), min(self.seconds, 30))
        found["cookbook"] = self._run(self._peer("cookbook", self.seconds + 10, 10**9), min(self.seconds, 30))
        for name, python in peers.items():
            runner = ROOT / "bench" / "peers" / f"{name}_runner.py"
            found[name] = self._run(lambda url, run=(python, runner), out=name: [*run, url, self.prompts, self.folder / out, CONCURRENCY], self.seconds)
        return found

    def _ours(self, name: str, *more):
        line = [sys.executable, "-m", "datagen", "stories", "english", "--count", len(self.answers), "--provider", "openai", "--model", "m"]
        return lambda url: [*line, "--base-url", url, "--journal", self.folder / f"{name}.sqlite", "--yes", *more]

    def _peer(self, name: str, *more):
        return lambda url: [sys.executable, "-m", f"bench.peers.{name}", url, self.prompts, self.folder / name, *more]

    def _run(self, client, seconds: float, per_minute: float = 0) -> Rate:
        with Endpoint(self.answers, LATENCY, per_minute) as endpoint:
            return rate(client(endpoint.url), endpoint, seconds)


@click.command()
@click.option("--quick", is_flag=True, help="30 s each instead of 60")
@click.option("--part", type=click.Choice(["limited", "free", "both"]), default="both")
@click.option("--datatrove", help="a Python that has it")
@click.option("--distilabel", help="likewise")
def main(quick: bool, part: str, **peers: str | None) -> None:
    """Print the tables and the claims."""
    seconds = 30.0 if quick else 60.0
    with tempfile.TemporaryDirectory() as name:
        race = Race(Path(name), seconds, PROMPTS if part != "limited" else 2 * PER_MINUTE)
        if part != "free":
            _tell_limited(race.limited(), seconds)
        if part != "limited":
            _tell_free(race.free({peer: python for peer, python in peers.items() if python}), seconds)


def _tell_limited(rates: Mapping[str, Rate], seconds: float) -> None:
    print(f"{LATENCY:g} s an answer, at most {PER_MINUTE} a minute, {seconds:.0f} s | share of the allowed rate | 429s | ms CPU an answer")
    shares = {name: found.whole * 60 / PER_MINUTE for name, found in rates.items()}
    for name, found in rates.items():
        print(f"{name} | {shares[name]:.3f} | {found.refused} | {found.cpu:.2f}")
    peers = {name: round(share, 3) for name, share in shares.items() if name != "ours"}
    tell("share of 6,000 requests/min at 2 s latency", shares["ours"], 0.97, shares["ours"] >= 0.97, peers, ("aiohttp", "uvloop"))


def _tell_free(rates: Mapping[str, Rate], seconds: float) -> None:
    print(f"{LATENCY:g} s an answer, no limit, {seconds:.0f} s from the first answer | answers/s | in the last third | ms CPU an answer")
    for name, found in rates.items():
        print(f"{name} | {found.whole:.0f} | {found.last:.0f} | {found.cpu:.3f}")
    ours, clients = rates["ours"], {name: found for name, found in rates.items() if name != "bare"}
    ratio = ours.whole / rates["4 × 16 threads"].whole
    ahead = all(ours.whole >= found.whole for found in clients.values())
    peers = {f"{name}, answers/s": round(found.whole, 1) for name, found in rates.items()}
    peers |= {f"{name}, ms CPU": round(found.cpu, 3) for name, found in rates.items()}
    tell("answers/s without a limit over the paper's 4 × 16 threads", ratio, 20, ratio >= 20 and ahead, peers, ("aiohttp", "uvloop", "openai"))


if __name__ == "__main__":
    main()
