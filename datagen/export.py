"""`python -m datagen export`: the accepted stories of a journal as a dataset in Parquet or JSON lines."""

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from tqdm import tqdm

from backend.errors import UserError
from backend.llm.journal import Journal
from datagen.shards import FORMATS, Shards

_COLUMNS = "id, record, text, facts, provider, model, ended_at, attempts, input_tokens, output_tokens, cost"


def records(journal: Journal) -> Iterator[dict]:
    """The accepted stories as rows of the dataset."""
    templates = journal.meta("templates", {})
    for id_, record, text, facts, provider, model, ended_at, attempts, tokens_in, tokens_out, cost in journal.accepted(_COLUMNS):
        words = orjson.loads(record)
        template = templates.get(f"{words.get('language')} {words.get('complexity')}")
        yield {
            "id": id_,
            **words,
            "prompt": words.get("prompt") or (template.format_map(words) if template else None),
            "story": text,
            "provider": provider,
            "model": model,
            "created_at": datetime.fromtimestamp(ended_at, UTC).isoformat(timespec="seconds"),
            "attempts": attempts,
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "cost": cost,
            "checks": orjson.loads(facts)["checks"] if facts else [],
        }


@click.command()
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="a folder; an earlier export there is replaced")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="parquet", show_default=True)
@click.option("--rows-a-file", default=200_000, show_default=True, type=click.IntRange(min=1))
def export(journal: Path, out: Path, form: str, rows_a_file: int) -> None:
    """Write the accepted stories of a journal as a dataset."""
    if out.exists() and any(out.iterdir()) and not (out / "dataset.json").exists():
        raise UserError(f"{out} exists and is no export of this command; choose another --out, nothing was written.")
    temporary = out.with_name(f".{out.name}.writing")
    shutil.rmtree(temporary, ignore_errors=True)
    with Journal.read(journal) as opened:
        total = int(opened.tallies().get("accepted", 0))
        if not total:
            raise UserError(f"{journal} holds no accepted story yet; `python -m datagen status {journal}` says how far it is.")
        (temporary / "data").mkdir(parents=True)
        shards = Shards(temporary / "data", "train", form, rows_a_file)
        for row in tqdm(records(opened), total=total, unit=" stories", unit_scale=True, disable=not sys.stderr.isatty()):
            shards.add(row)
        shards.close()
    (temporary / "dataset.json").write_text(json.dumps({"stories": total}), "utf-8")
    shutil.rmtree(out, ignore_errors=True)
    temporary.rename(out)
    click.echo(f"{total} stories in {out}.")
