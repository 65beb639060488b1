"""Claim: the app answers at most 1.5 times as late as an empty Gradio page with the engine's imports would.

Both are started in turn as processes of their own; the time ends when the page has been answered whole. The least of all
rounds counts, as other work on the machine only adds.
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

from bench.claim import tell

EMPTY = """
import os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio as gr
import backend.slm.engine
with gr.Blocks() as page:
    pass
page.launch(server_port=int(sys.argv[1]), ssr_mode=False, quiet=True)
"""
ROOT = Path(__file__).resolve().parents[1]


def seconds_to_answer(command: list[str], port: int, data: str) -> float:
    """From the start of a process to the last byte of its page."""
    environment = os.environ | {"TINYSTORIES_DATA": data, "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    answer.read()
                return time.perf_counter() - started
            except URLError:
                time.sleep(0.02)
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Print the table and the claim."""
    rounds = 3 if "--quick" in sys.argv else 7
    app, empty = [], []
    with tempfile.TemporaryDirectory() as data:
        for number in range(rounds):
            port = 7900 + 2 * number
            empty.append(seconds_to_answer(["-c", EMPTY, str(port)], port, data))
            app.append(seconds_to_answer(["app.py", "--port", str(port + 1)], port + 1, data))
    print("what | least seconds | all")
    for name, times in (("empty Blocks and imports", empty), ("python app.py", app)):
        print(f"{name} | {min(times):.2f} | {', '.join(f'{value:.2f}' for value in times)}")
    ratio = min(app) / min(empty)
    peers = {"empty Blocks and imports, seconds": round(min(empty), 2), "app, seconds": round(min(app), 2)}
    tell("from start to an answered page, over an empty page", ratio, 1.5, ratio <= 1.5, peers, ("gradio",))


if __name__ == "__main__":
    main()
