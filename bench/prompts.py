"""Claim: a million unique prompts take under 10 s on one core, in memory that does not grow with the count.

The peer samples with a set, as the paper's script does, to be sure that no choice comes twice.
"""

import random
import resource
import subprocess
import sys
import time

from bench.claim import tell

OURS = """
from datagen.prompts import Prompts
for prompt in Prompts("hindi").range(0, {count}):
    pass
"""
PEER = """
import random
from datagen.prompts import Prompts
prompts = Prompts("hindi")
seen, sizes, lists = set(), [len(words) for words in prompts._lists], prompts._lists
while len(seen) < {count}:
    choice = tuple(random.randrange(size) for size in sizes)
    if choice not in seen:
        seen.add(choice)
        prompts._template(*(words[i] for words, i in zip(lists, choice)))
"""


def measure(code: str, count: int) -> tuple[float, int]:
    """CPU seconds and peak memory (MB) of a fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = "\nimport sys; sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))"
    command = [sys.executable, "-c", "import resource\n" + code.format(count=count) + report]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, int(done.stderr)


def main() -> None:
    """Print the table and the claims."""
    random.seed(0)
    count = 100_000 if "--quick" in sys.argv else 1_000_000
    started = time.perf_counter()
    rows = {"ours": measure(OURS, count), "sampling with a set": measure(PEER, count)}
    _, small = measure(OURS, 10_000)
    print(f"{count} prompts | CPU seconds | peak MB")
    for name, (seconds, peak) in rows.items():
        print(f"{name} | {seconds:.2f} | {peak}")
    print(f"ours, 10,000 prompts: peak {small} MB; the whole run took {time.perf_counter() - started:.0f} s")
    seconds, peak = rows["ours"]
    per_million = seconds * 1_000_000 / count
    peer_seconds, peer_peak = rows["sampling with a set"]
    peers = {"set seconds": round(peer_seconds, 2), "set MB": peer_peak, "ours MB": peak, "ours MB at 10k": small}
    tell("CPU seconds for a million prompts, one core", per_million, 10, per_million < 10, peers, ("numpy",))
    tell("peak memory at the full count over that at 10,000", peak / small, 1.05, peak / small <= 1.05, peers, ("numpy",))


if __name__ == "__main__":
    main()
