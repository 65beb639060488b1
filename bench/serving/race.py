"""`python -m bench.serving.race PEER FOLDER CLOCK THREADS TOKENS USERS...`: one peer on one model, in a process of its own."""

import json
import sys
import time
from pathlib import Path

from bench.serving.peers import PEERS
from bench.serving.random_models import openings

ROUNDS = 3
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    """Print the best tokens a second, by the clock or of CPU time, for each number of users, as JSON."""
    name, folder, clock, threads, tokens, *users = sys.argv[1:]
    now = CLOCKS[clock]
    found = {}
    for count in map(int, users):
        peer, prompts = PEERS[name](Path(folder), int(threads), count), openings(count)
        peer.tell(prompts, 16)
        best = 0.0
        for _ in range(ROUNDS):
            started = now()
            told = peer.tell(prompts, int(tokens))
            best = max(best, told / (now() - started))
        if told < 0.9 * count * int(tokens):
            raise RuntimeError(f"{name} told {told} tokens of {count * int(tokens)}")
        found[count] = best
        del peer
    print(json.dumps(found))


if __name__ == "__main__":
    main()
