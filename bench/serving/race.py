"""`python -m bench.serving.race PEER FOLDER THREADS TOKENS USERS`: one peer on one model, a process of its own for each.

They take turns, a round each, so that whatever else the machine does is shared out among them.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.processor_time import processor_seconds

ROUNDS = 3
_REST = 1.0  # seconds, in which the threads of the peer before stop looking for work


class Racer:
    """A peer's process; `dropped` says why when it cannot serve the model."""

    def __init__(self, peer: str, folder: Path, threads: int, tokens: int, users: int, path: list[str]):
        places = [str(Path.cwd()), *path]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "TINYSTORIES_CACHE": str(folder.parent / "cache")}
        command = [sys.executable, "-m", "bench.serving.race", peer, str(folder), *map(str, (threads, tokens, users))]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.dropped = ""
        # Tokens a second by the clock, and a second of CPU time; stories of one token a second. The best of the rounds.
        self.speeds: dict[str, float] = {}
        self.round()

    def round(self) -> None:
        """Have it tell once; the first call only warms it."""
        if self.dropped:
            return
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.startswith("{"):
            self.process.kill()
            self.dropped = (self.process.stderr.read().strip() or "no answer").splitlines()[-1][:150]
        for clock, speed in (json.loads(line) if line.startswith("{") else {}).items():
            self.speeds[clock] = max(speed, self.speeds.get(clock, 0.0))

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def race(
    names: list[str], folder: Path, threads: int, tokens: int, users: int, path: list[str], rounds: int = ROUNDS
) -> dict[str, dict[str, float]]:
    """Speeds of each peer that can serve the model, all under the same conditions."""
    racers = {name: Racer(name, folder, threads, tokens, users, path) for name in names}
    for _ in range(rounds):
        for racer in racers.values():
            time.sleep(_REST)
            racer.round()
    for name, racer in racers.items():
        racer.close()
        if racer.dropped:
            print(f"{name}: {racer.dropped}", file=sys.stderr)
    return {name: racer.speeds for name, racer in racers.items() if not racer.dropped}


def main() -> None:
    """For each line of stdin tell once, and print tokens a second as JSON; of the first, which warms, nothing is told."""
    from bench.serving.peers import PEERS
    from bench.serving.random_models import openings

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints stays out of the answers
    name, folder, threads, tokens, users = sys.argv[1:]
    peer, prompts = PEERS[name](Path(folder), int(threads), int(users)), openings(int(users))
    for count, _ in enumerate(sys.stdin):
        wanted = int(tokens) if count else 16
        started, used = time.perf_counter(), processor_seconds()
        told = peer.tell(prompts, wanted)
        wall, cpu = time.perf_counter() - started, processor_seconds() - used
        if told < 0.9 * len(prompts) * wanted:
            raise RuntimeError(f"{name} told {told} tokens of {len(prompts) * wanted}")
        started = time.perf_counter()
        peer.tell(prompts, 1)
        speeds = {"wall": told / wall, "cpu": told / max(cpu, 0.01), "beginnings": 1 / (time.perf_counter() - started)}
        print(json.dumps(speeds if count else {}), file=answers, flush=True)
    os._exit(0)  # some peers take long to end, or fail at it


if __name__ == "__main__":
    main()
