"""Servers that answer, and fail, on loopback."""

import json
import urllib.request

import pytest

from tests.backend.llm.fault_server import serve
from tests.backend.llm.warm import start_server


class FaultServer:
    """A running fault_server.py."""

    def __init__(self, *options: str):
        self.process, self.port = start_server(serve, list(options))
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict:
        """What it has done so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as answer:
            return json.load(answer)

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.join()


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
