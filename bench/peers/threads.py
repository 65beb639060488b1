"""The paper's scheme, made again: 4 processes of 16 threads, each with one blocking call at a time, tried again for ever.

`python -m bench.peers.threads URL PROMPTS.jsonl OUT SECONDS`: each process rewrites its JSON file as it goes.
"""

import json
import multiprocessing
import sys
import threading
import time
from pathlib import Path

import openai

PROCESSES, THREADS = 4, 16
_SAVE_EVERY = 50  # stories


def tell(url: str, prompts: list[dict], out: Path, seconds: float) -> None:
    """One process."""
    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    stories, guard, ends, left = [], threading.Lock(), time.monotonic() + seconds, iter(prompts)

    def work() -> None:
        while time.monotonic() < ends:
            with guard:
                prompt = next(left, None)
            if prompt is None:
                return
            while time.monotonic() < ends:
                try:
                    done = client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt["text"]}])
                    story = json.loads(done.choices[0].message.content)["story"]
                except Exception:  # noqa: S112
                    continue
                with guard:
                    stories.append({"id": prompt["id"], "story": story})
                    if len(stories) % _SAVE_EVERY == 0:
                        out.write_text(json.dumps(stories, ensure_ascii=False), "utf-8")
                break

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main(url: str, prompts: str, out: str, seconds: str) -> None:
    """All processes, for so many seconds."""
    rows = [json.loads(line) for line in Path(prompts).read_text("utf-8").splitlines()]
    processes = [
        multiprocessing.Process(target=tell, args=(url, rows[number::PROCESSES], Path(f"{out}-{number}.json"), float(seconds)))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
