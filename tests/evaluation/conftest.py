"""A server of judges on loopback, and commands as processes."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


class JudgeServer:
    """A running judge_server.py."""

    def __init__(self, *options: str):
        command = [sys.executable, str(Path(__file__).with_name("judge_server.py")), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"

    def stats(self) -> dict:
        """What it has answered so far."""
        return httpx.get(self.url.removesuffix("/v1") + "/stats").json()

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
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=clean | variables)
