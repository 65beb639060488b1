"""bespokelabs-curator on an endpoint: `python curator_runner.py URL PROMPTS.jsonl FOLDER CONCURRENCY`."""

import json
import os
import sys
from pathlib import Path

os.environ |= {"TELEMETRY_ENABLED": "0", "OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}

from bespokelabs import curator
from datasets import Dataset


class Stories(curator.LLM):
    """A story a row."""

    def prompt(self, row: dict) -> str:
        """The row's own."""
        return row["text"]

    def parse(self, row: dict, response) -> dict:
        """The answer beside its id."""
        return {"id": row["id"], "story": str(response)}


def main(url: str, prompts: str, folder: str, concurrency: str) -> None:
    """All prompts, so many calls at once and no other limit."""
    rows = [json.loads(line) for line in Path(prompts).read_text("utf-8").splitlines()]
    limits = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10_000_000_000, "max_concurrent_requests": int(concurrency)}
    stories = Stories(model_name="m", backend="openai", backend_params={"base_url": url, **limits})
    stories(Dataset.from_list(rows), working_dir=folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
