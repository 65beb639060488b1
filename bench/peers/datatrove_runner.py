"""datatrove's inference runner on an endpoint: `python datatrove_runner.py URL PROMPTS.jsonl FOLDER CONCURRENCY`."""

import sys
from pathlib import Path

from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


async def story(document: Document, generate):
    """One call."""
    return await generate({"messages": [{"role": "user", "content": document.text}]})


def main(url: str, prompts: str, folder: str, concurrency: str) -> None:
    """All prompts, so many calls at once."""
    config = InferenceConfig(
        server_type="endpoint", model_name_or_path="m", endpoint_url=url.removesuffix("/v1"), max_concurrent_generations=int(concurrency)
    )
    runner = InferenceRunner(story, config, JsonlWriter(f"{folder}/out", output_filename="${rank}.jsonl.gz"))
    reader = JsonlReader(str(Path(prompts).parent), glob_pattern=Path(prompts).name)
    LocalPipelineExecutor([reader, runner], logging_dir=f"{folder}/logs").run()


if __name__ == "__main__":
    main(*sys.argv[1:])
