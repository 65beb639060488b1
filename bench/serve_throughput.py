"""Claim: stories come 9 times as fast as from transformers.generate, and no slower than from any other server.

Tokens a second on two cores, sampling and detokenising included for all, of models with random weights, each server in a
process of its own, in turns. Beside them the physical limit: the bandwidth of the memory (or cache) that holds the
weights, over the bytes of weights that a step reads.
"""

import tempfile
from pathlib import Path

import click

from backend.slm.config import read_config
from bench.claim import tell
from bench.serving.bandwidth import bytes_a_token, read_bandwidth
from bench.serving.peers import PEERS
from bench.serving.race import ROUNDS, race
from bench.serving.random_models import write_model

MODELS = ("6M-8k", "6M-68k", "54M-8k", "54M-68k", "157M-68k", "GPT-2 54M-68k")
THREADS = 2
BARE = ("OpenVINO GenAI", "OpenVINO GenAI Q8_0 GGUF")
GPT2_PEERS = ("ours", "transformers")


def smallest(found: dict, peers: tuple[str, ...]) -> tuple[float, str]:
    """The smallest ratio of our speed to the fastest of the peers, and where it was."""
    ratios = []
    for (model, users), speeds in found.items():
        others = [speeds[peer] for peer in peers if peer in speeds]
        if others and "ours" in speeds:
            ratios.append((speeds["ours"] / max(others), f"{model}, {users} users"))
    return min(ratios, default=(0.0, "nothing was measured"))


@click.command()
@click.option("--quick", is_flag=True, help="two Llamas and the GPT-2, 1 and 8 users, 64 tokens")
@click.option("--model", "models", multiple=True, type=click.Choice(MODELS))
@click.option("--users", multiple=True, type=int)
@click.option("--tokens", default=256, show_default=True)
@click.option("--rounds", default=ROUNDS, show_default=True, help="turns of each peer, the best of which counts")
@click.option("--peer", "peers", multiple=True, type=click.Choice(list(PEERS)), help="all, unless named")
@click.option("--cpu", is_flag=True, help="one thread each, and seconds of CPU time, for a machine that other work keeps busy")
@click.option(
    "--onnx", type=click.Path(exists=True), help="a folder of `pip install --no-deps --target`: onnxruntime-genai and its needs"
)
def main(
    quick: bool, models: tuple[str, ...], users: tuple[int, ...], tokens: int, rounds: int, peers: tuple[str, ...], cpu: bool,
    onnx: str | None,
) -> None:  # fmt: skip
    """Print the table and the claims."""
    if quick:
        models, users, tokens = models or ("6M-8k", "54M-68k", "GPT-2 54M-68k"), users or (1, 8), 64
    clock, threads = ("cpu", 1) if cpu else ("wall", THREADS)
    names = [peer for peer in peers or PEERS if "ONNX" not in peer or onnx]
    found: dict[tuple[str, int], dict[str, float]] = {}
    print(f"tokens a second{' of CPU time, one thread' if cpu else ''}, {tokens} new tokens")
    print("in brackets: ms for one token each, which is what it takes to begin")
    print("model | users | " + " | ".join(names) + " | limit of the memory")
    with tempfile.TemporaryDirectory() as root:
        for model in models or MODELS:
            width, vocabulary = model.split()[-1].split("-")
            folder = write_model(Path(root) / model.replace(" ", "-"), width, vocabulary, "gpt2" if "GPT-2" in model else "llama")
            size = bytes_a_token(read_config(folder))
            for count in users or (1, 8, 32):
                able = [name for name in names if name in GPT2_PEERS or "GPT-2" not in model]
                speeds = race(able, folder, threads, tokens, count, [onnx] if onnx else [], rounds)
                found[model, count] = {name: each[clock] for name, each in speeds.items()}
                cells = [f"{each[clock]:,.0f} ({1000 / each['beginnings']:.1f})" if (each := speeds.get(peer)) else "–" for peer in names]
                limit = count * read_bandwidth(size, threads) / size
                print(f"{model} | {count} | {' | '.join(cells)} | {limit:,.0f}", flush=True)
    _tell(found, "CPU s, one thread," if cpu else "s")


def _tell(found: dict, unit: str) -> None:
    seen = {peer for speeds in found.values() for peer in speeds}
    packages = tuple(sorted({package for peer in seen for package in PEERS[peer].packages} - {"onnxruntime-genai"}))
    llamas = {key: speeds for key, speeds in found.items() if "GPT-2" not in key[0]}
    others = tuple(peer for peer in PEERS if peer != "ours" and peer not in BARE)

    def claim(text: str, results: dict, peers: tuple[str, ...], goal: float) -> None:
        if not any(peer in speeds for speeds in results.values() for peer in peers):
            return
        ratio, where = smallest(results, peers)
        tell(f"tokens/{unit} over {text}, the smallest ratio", ratio, goal, ratio >= goal, {"where": where}, packages)

    few = {key: speeds for key, speeds in llamas.items() if key[1] <= 8}
    claim("transformers.generate's, 1 and 8 users", few, ("transformers",), 9)
    claim("bare OpenVINO GenAI's, whichever way is fastest", llamas, BARE, 0.95)
    claim("the fastest other server's", llamas, others, 1)
    gpt2 = {key: speeds for key, speeds in found.items() if "GPT-2" in key[0]}
    claim("transformers.generate's, GPT-2 54M", gpt2, ("transformers",), 5)


if __name__ == "__main__":
    main()
