"""Servers that answer, and fail, on loopback."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


class FaultServer:
    """A running fault_server.py."""

    def __init__(self, *options: str):
        command = [sys.executable, str(Path(__file__).with_name("fault_server.py")), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict:
        """What it has done so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as answer:
            return json.load(answer)

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def fault_server():
    """A function that starts one; all are stopped at the end of the test."""
    started = []

    def start(*options) -> FaultServer:
        started.append(FaultServer(*map(str, options)))
        return started[-1]

    yield start
    for server in started:
        server.stop()
