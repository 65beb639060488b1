"""Claim: stories come 9 times as fast as from transformers.generate, and no slower than from any other server.

Tokens a second on two cores, sampling and detokenising included, of Llamas with random weights, each server in a process
of its own. Beside them the physical limit: the bandwidth of the memory (or cache) that holds the weights, over the bytes
of weights that a step reads. `--cpu` gives each server one thread and counts its CPU seconds instead, for a machine that
other work keeps busy. `--onnx DIR` names a folder of `pip install --target DIR --no-deps onnxruntime-genai
onnxruntime onnx onnx-ir ml-dtypes`, for ONNX Runtime GenAI.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.claim import tell
from bench.serving.bandwidth import bytes_a_token, read_bandwidth
from bench.serving.peers import PEERS
from bench.serving.random_models import write_model

MODELS = (("6M", "8k"), ("6M", "68k"), ("54M", "8k"), ("54M", "68k"))
USERS = (1, 8, 32)
THREADS = 2
BARE = ("OpenVINO GenAI", "OpenVINO GenAI f32", "OpenVINO GenAI Q8_0 GGUF")


def clock() -> tuple[str, int]:
    """What is counted, and the threads of each server."""
    return ("cpu", 1) if "--cpu" in sys.argv else ("wall", THREADS)


def race(peer: str, folder: Path, tokens: int, users: tuple[int, ...]) -> dict[int, float]:
    """Tokens a second by users; nothing where the peer cannot serve the model."""
    path = [str(Path.cwd())] + ([sys.argv[sys.argv.index("--onnx") + 1]] if "--onnx" in sys.argv else [])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "TINYSTORIES_CACHE": str(folder.parent / "cache")}
    command = [sys.executable, "-m", "bench.serving.race", peer, str(folder), *map(str, (*clock(), tokens, *users))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"{peer}: {(done.stderr.strip() or 'no answer').splitlines()[-1][:150]}", file=sys.stderr)
        return {}
    return {int(count): speed for count, speed in json.loads(done.stdout.splitlines()[-1]).items()}


def smallest(found: dict, peers: tuple[str, ...]) -> tuple[float, str]:
    """The smallest ratio of our speed to the fastest of the peers, and where it was."""
    ratios = []
    for (model, users), speeds in found.items():
        others = [speeds[peer] for peer in peers if peer in speeds]
        if others and "ours" in speeds:
            ratios.append((speeds["ours"] / max(others), f"{model}, {users} users"))
    return min(ratios, default=(0.0, "nothing was measured"))


def main() -> None:
    """Print the table and the claims."""
    quick, unit = "--quick" in sys.argv, "CPU s, one thread," if "--cpu" in sys.argv else "s"
    models, users, tokens = ((("6M", "8k"), ("54M", "68k")), (1, 8), 64) if quick else (MODELS, USERS, 256)
    names = [peer for peer in PEERS if "ONNX" not in peer or "--onnx" in sys.argv]
    found, versions = {}, set()
    print("model | users | " + " | ".join(names) + " | limit of the memory")
    with tempfile.TemporaryDirectory() as root:
        for width, vocabulary in models:
            model = f"Llama {width}, {vocabulary}"
            folder = write_model(Path(root) / f"{width}-{vocabulary}", width, vocabulary)
            speeds = {peer: race(peer, folder, tokens, users) for peer in names}
            versions |= {package for peer in names if speeds[peer] for package in PEERS[peer].packages}
            size = bytes_a_token(json.loads((folder / "config.json").read_text("utf-8")))
            steps = read_bandwidth(size, clock()[1]) / size
            for count in users:
                found[model, count] = {peer: speeds[peer][count] for peer in names if count in speeds[peer]}
                cells = [f"{found[model, count][peer]:,.0f}" if peer in found[model, count] else "–" for peer in names]
                print(f"{model} | {count} | {' | '.join(cells)} | {steps * count:,.0f}", flush=True)
        gpt2 = write_model(Path(root) / "gpt2", "54M", "68k", "gpt2")
        paper = {peer: race(peer, gpt2, tokens, (1, 8)) for peer in ("ours", "transformers")}
    for count in (1, 8):
        print(f"GPT-2 54M, 68k | {count} | " + " | ".join(f"{peer} {speed.get(count, 0):,.0f}" for peer, speed in paper.items()))
    packages = tuple(sorted(versions - {"onnxruntime-genai"}))

    def claim(text: str, peers: tuple[str, ...], goal: float) -> None:
        ratio, where = smallest(found, peers)
        tell(f"tokens/{unit} over {text}, the smallest ratio", ratio, goal, ratio >= goal, {"where": where}, packages)

    claim("transformers.generate's", ("transformers",), 9)
    claim("bare OpenVINO GenAI's, whichever way is fastest", BARE, 0.95)
    claim("the fastest other server's", tuple(peer for peer in names if peer != "ours" and peer not in BARE), 1)
    speeds = [(paper["ours"].get(count, 0) / paper["transformers"].get(count, 1e9), count) for count in (1, 8)]
    ratio, count = min(speeds)
    where = {"where": f"{count} users"}
    tell(f"GPT-2 54M: tokens/{unit} over transformers.generate's, the smaller ratio", ratio, 5, ratio >= 5, where, packages)


if __name__ == "__main__":
    main()
