"""A server of judges on loopback, and commands as processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from backend.tokenizer import train_tokenizer
from tests.evaluation.stories import told


class JudgeServer:
    """A running judge_server.py."""

    def __init__(self, *options: str):
        command = [sys.executable, str(Path(__file__).with_name("judge_server.py")), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"

    def stats(self) -> dict:
        """What it has answered so far."""
        return httpx.get(self.url.removesuffix("/v1") + "/stats").json()

    def idle(self) -> dict:
        """The same, once nobody is connected any more: what was asked has been answered."""
        while (stats := self.stats())["others"]:
            time.sleep(0.02)
        return stats

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def judge_server():
    """A function that starts one; all are stopped at the end of the test."""
    started = []

    def start(*options) -> JudgeServer:
        started.append(JudgeServer(*map(str, options)))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def command(*arguments) -> list[str]:
    """`python -m evaluation` with its arguments."""
    return [sys.executable, "-m", "evaluation", *map(str, arguments)]


def run_command(*arguments, **variables) -> subprocess.CompletedProcess:
    """The command's end, with further environment variables."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=clean | variables, timeout=180)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A tiny model, trained for a moment on a handful of sentences."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = train_tokenizer(told("hindi", 30), 400)
    tokenizer.save(folder)
    config = Qwen3Config(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    network = Qwen3ForCausalLM(config)
    ids = torch.tensor([tokenizer.bos_id, *tokenizer.encode(told("hindi", 1)[0])][:200])[None]
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(40):
        loss = network(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    network.save_pretrained(folder)
    return folder
