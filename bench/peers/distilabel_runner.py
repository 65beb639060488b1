"""distilabel's text generation on an endpoint: `python distilabel_runner.py URL PROMPTS.jsonl FOLDER CONCURRENCY`.

Its step asks a whole batch at once and waits for the last of it, so a batch is as large as the concurrency.
"""

import json
import sys
from pathlib import Path

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def main(url: str, prompts: str, folder: str, concurrency: str) -> None:
    """All prompts, so many calls at once."""
    rows = [{"instruction": json.loads(line)["text"]} for line in Path(prompts).read_text("utf-8").splitlines()]
    with Pipeline(name="stories", cache_dir=folder) as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=int(concurrency))
        generate = TextGeneration(
            llm=OpenAILLM(base_url=url, api_key="none", model="m", generation_kwargs={"max_new_tokens": 4000}),
            input_batch_size=int(concurrency),
        )
        load >> generate
    pipeline.run(use_cache=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
