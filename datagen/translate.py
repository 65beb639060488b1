"""`python -m datagen translate`: a dataset in another language, by a large model or by a local seq2seq model."""

import dataclasses
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from backend.command_line import Number
from backend.errors import UserError
from backend.languages import Language, load_language
from backend.llm.engine import Item, answer_all
from backend.llm.estimate import estimate
from backend.llm.journal import Journal
from backend.llm.options import Choice, confirm, make_providers, provider_options
from backend.llm.prices import price_of
from datagen.cluster import Remembering, on_a_cluster
from datagen.plan import ended
from datagen.tell import parse_shard
from datagen.translate_reader import LONGEST, SHORTEST, TRANSLATION_FORMAT, TranslationReader, question, record_of
from datagen.translate_source import Source

SEQ2SEQ = {"seq2seq": "datagen.translate_model:Seq2SeqProvider"}
_MAX_TOKENS = 4000
_SAMPLE = 200
_WEIGHTS = ("int8", "int8_float16", "float16", "float32")
_NAMES = {"revision": "state of the source's files", "column": "column", "from": "source language", "to": "target language"}


@click.command(cls=Remembering)
@on_a_cluster("datagen.translate:translate")
@click.argument("dataset")
@click.option("--column", default="story", show_default=True, help="that holds the texts")
@click.option("--id-column", help="that holds their ids; default: id or ID where there is one, else the row's number")
@click.option("--split", help="only files whose name begins with it, such as train")
@click.option("--from", "source", required=True, help="a language under languages/")
@click.option("--to", "target", required=True, help="likewise")
@click.option("--shard", default="0/1", show_default=True, help="i/n: only the rows whose number is i modulo n")
@click.option("--journal", "path", required=True, type=click.Path(path_type=Path), help="a SQLite file, made or gone on with")
@click.option("--min-ratio", default=SHORTEST, show_default=True, type=Number(min=0), help="characters for each of the source")
@click.option("--max-ratio", default=LONGEST, show_default=True, type=Number(min=0))
@click.option("--reject", multiple=True, metavar="CHECK", help="a check that shall reject")
@click.option("--allow", multiple=True, metavar="CHECK", help="a check that shall only be noted")
@click.option("--beams", default=4, show_default=True, type=click.IntRange(min=1), help="of a seq2seq model")
@click.option("--weights", default="int8", show_default=True, type=click.Choice(_WEIGHTS), help="likewise")
@click.option("--device", default="auto", show_default=True, type=click.Choice(("auto", "cpu", "cuda")), help="likewise")
@provider_options(SEQ2SEQ)
def translate(
    dataset: str, column: str, id_column: str | None, split: str | None, source: str, target: str, shard: str, path: Path,
    min_ratio: float, max_ratio: float, reject: tuple[str, ...], allow: tuple[str, ...], beams: int, weights: str, device: str,
    choice: Choice,
) -> None:  # fmt: skip
    """Translate a column of a local file, a folder or a Hub dataset; run it again to go on where it stopped.

    With --provider seq2seq, --model is a folder or a Hub id of a model such as NLLB, M2M-100, mBART, Marian or T5.
    """
    languages = load_language(source), load_language(target)
    if source == target:
        raise UserError(f"--from and --to are both {source}; name two languages.")
    rows, part = Source(dataset, column, id_column, split), parse_shard(shard)
    reader = TranslationReader(min_ratio, max_ratio, reject, allow)
    settings = dataclasses.replace(
        choice.settings, max_tokens=choice.settings.max_tokens or _MAX_TOKENS, response_format=TRANSLATION_FORMAT
    )
    if next(rows.rows(*part), None) is None:
        raise UserError(f"{dataset} holds no text in the column '{column}' of the shard {shard}; nothing was written.")
    local = choice.provider in SEQ2SEQ
    providers = _seq2seq(choice, languages, beams, weights, device) if local else make_providers(choice)
    ask = (lambda text: text) if local else lambda text: question(text, *languages)
    with Journal.create_or_open(path) as journal:
        _enter(journal, {"revision": rows.revision, "column": column, "from": source, "to": target})
        journal.set_meta("source", dataset)
        total = rows.count(*part)
        _plan(journal, f"{source}-{target} {shard}", total)
        if not local:
            alone = len(journal.meta("plans")) == 1  # else what has ended may be another shard's
            left = max(0, total - ended(journal)) if alone else total
            price = price_of(choice.model or "", settings.prices)
            confirm(estimate(_items(rows, part, languages, ask), left, _expected_tokens(rows, languages[1]), price), choice)
        items = _Counted(_items(rows, part, languages, ask))
        outcome = answer_all(items, providers, journal, reader, settings, total=total, unit="texts")
        _plan(journal, f"{source}-{target} {shard}", items.count)  # rows without a text are none
        twice = items.count - journal.connection.execute("SELECT count(*) FROM items").fetchone()[0]
        cost = journal.tallies().get("cost", 0.0)
    click.echo(
        f"{outcome.accepted} translations accepted, {outcome.dead} dead letters, in {path}" + (f"; ${cost:.4f} in all." if cost else ".")
    )
    if twice > 0:
        click.echo(f"{twice} rows share an id with another and were passed over; name a column of unique ids with --id-column.", err=True)


class _Counted:
    """An iterable that knows how many items it has given."""

    def __init__(self, items: Iterator[Item]):
        self._items, self.count = items, 0

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            self.count += 1
            yield item


def _items(rows: Source, part: tuple[int, int], languages: tuple[Language, Language], ask) -> Iterator[Item]:
    for row in rows.rows(*part):
        yield Item(row.id, [{"role": "user", "content": ask(row.text)}], record_of(row, *languages))


def _seq2seq(choice: Choice, languages: tuple[Language, Language], beams: int, weights: str, device: str):
    if not choice.model:
        raise UserError("--provider seq2seq needs a --model: a folder or a Hub id, such as facebook/nllb-200-distilled-600M.")
    from datagen.translate_model import Seq2SeqProvider  # transformers takes a while

    return Seq2SeqProvider(choice.model, *languages, beams=beams, weights=weights, device=device)


def _enter(journal: Journal, translation: dict) -> None:
    """Write into the journal what it translates. Raises UserError when it is something else already."""
    before = journal.meta("translation")
    if before is None and journal.meta("plans"):
        raise UserError(f"{journal.path} is a journal of stories; give the translation a --journal of its own.")
    if before not in (None, translation):
        differs = next(name for name in translation if before.get(name) != translation[name])
        raise UserError(f"{journal.path} was begun with another {_NAMES[differs]}, so its ids would name other texts now; give a new --journal.")
    journal.set_meta("translation", translation)


def _plan(journal: Journal, name: str, prompts: int) -> None:
    journal.set_meta("plans", {**journal.meta("plans", {}), name: {"prompts": prompts}})


def _expected_tokens(rows: Source, target: Language) -> float:
    """Tokens of one translation, roughly: 4 Latin letters a token, 2 of another script."""
    lengths = [len(row.text) for row in islice(rows.rows(), _SAMPLE)]
    return sum(lengths) / max(1, len(lengths)) / (4 if target.script == "Latin" else 2)
