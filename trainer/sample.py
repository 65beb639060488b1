"""Completions of openings: batched, seeded, resumable, with all that evaluation needs."""

import hashlib
import json
import sys
import unicodedata
from itertools import product
from pathlib import Path

if not __package__:  # run as a script: imports begin at the root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click
from tqdm import tqdm

from backend.command_line import run
from backend.errors import UserError
from backend.files import writing
from backend.languages import language_names
from backend.slm.catalog import resolve
from backend.slm.engine import Sampling, load_engine

BATCH = 64
SETTINGS = ("temperature", "top_k", "top_p", "min_p", "max_tokens")  # of Sampling, noted with every story
_BEGINNING = '{"opening": '  # of a row


def read_openings(path: Path) -> list[str]:
    """One opening a line, NFC, empty lines left out. Raises UserError when there is none."""
    try:
        lines = unicodedata.normalize("NFC", path.read_text("utf-8")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); give a UTF-8 text file with one opening a line.") from None
    openings = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not openings:
        raise UserError(f"{path} holds no opening; write one a line.")
    return openings


def story_seed(seed: int, opening: str, index: int) -> int:
    """The seed of one story: it does not hang on the order or the number of the others."""
    digest = hashlib.blake2b(f"{seed}:{index}:{opening}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def language_of(path: Path, languages: tuple[str, ...]) -> str:
    """The language that the openings' path names, or the only one of the model. Raises UserError when neither says it."""
    named = [name for name in (path.stem, *reversed(path.parts[:-1])) if name in language_names()]
    if named or len(languages) == 1:
        return (named or languages)[0]
    raise UserError(f"Neither {path} nor the model tells the language; give it with --language, such as --language hindi.")


def written_rows(path: Path, model: str, language: str, sampling: Sampling) -> list[dict]:
    """Whole rows of an earlier run, which are not made again.

    Raises UserError for a file of another kind, or of another model, language, seed or sampling: one file would hold both.
    """
    if not path.exists():
        return []
    try:
        *lines, cut = path.read_text("utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line]
        for row in rows:
            _check_same(row, path, model, language, sampling)
        if cut and not rows and not (cut.startswith(_BEGINNING) or _BEGINNING.startswith(cut)):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is there already and holds no completions of sample.py; choose another --out.") from None
    if cut:  # by a kill
        with writing(path) as file:
            file.writelines(line + "\n" for line in lines)
    return rows


def _check_same(row: dict, path: Path, model: str, language: str, sampling: Sampling) -> None:
    seed = story_seed(sampling.seed, row["opening"], row["index"])
    if row["model"] != model:
        raise UserError(f"{path} holds stories of {row['model']}, not of {model}; choose another --out.")
    if row.get("seed") not in (None, seed):
        raise UserError(f"{path} holds stories of another --seed than {sampling.seed}; go on with that one, or choose another --out.")
    for name, value in {"language": language, **{name: getattr(sampling, name) for name in SETTINGS}}.items():
        if row.get(name, value) != value:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{path} holds stories of {option} {row[name]}, not {value}; go on with that, or choose another --out.")


@click.command()
@click.option("--model", required=True, help="bundled name, model folder or Hub id")
@click.option("--openings", "openings_path", required=True, type=click.Path(path_type=Path), help="one opening a line")
@click.option("--count", default=1, show_default=True, type=click.IntRange(min=1), help="stories an opening")
@click.option("--language", help="of the openings, when their path does not tell it")
@click.option("--temperature", default=0.6, show_default=True)
@click.option("--top-k", default=15, show_default=True)
@click.option("--top-p", default=1.0, show_default=True)
@click.option("--min-p", default=0.1, show_default=True, help="of the likeliest token's share, what a token must have")
@click.option("--max-tokens", default=450, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="a .jsonl file, which a later run goes on with; else text is printed")
def sample(model, openings_path, count, language, temperature, top_k, top_p, min_p, max_tokens, seed, out) -> None:
    """Complete every opening of a file."""
    openings = read_openings(openings_path)
    if language and language not in language_names():
        raise UserError(f"There is no language '{language}'; there are {', '.join(language_names())}.")
    folder = resolve(model)
    language = language or language_of(openings_path, folder.languages)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, max_tokens=max_tokens, seed=seed)
    done = {(row["opening"], row["index"]) for row in written_rows(out, folder.name, language, sampling)} if out else set()
    wanted = [pair for pair in product(openings, range(count)) if pair not in done]
    if not wanted:
        return
    engine = load_engine(folder.path)
    total = len(openings) * count
    progress = tqdm(total=total, initial=total - len(wanted), unit=" stories", disable=not sys.stderr.isatty())
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        seeds = [story_seed(seed, *pair) for pair in part]
        completions = engine.complete_many([opening for opening, _ in part], sampling, seeds)
        sure = [engine.mean_log_probability(opening, told.text) if engine.is_quick else None for (opening, _), told in zip(part, completions, strict=True)]
        rows = [
            {
                "opening": opening, "completion": completion.text, "model": folder.name, "language": language,
                "index": index, "seed": own_seed, "finished": completion.finished,
            }
            | {name: getattr(sampling, name) for name in SETTINGS}
            | ({} if how_sure is None else {"mean_log_probability": how_sure})
            for (opening, index), own_seed, completion, how_sure in zip(part, seeds, completions, sure, strict=True)
        ]  # fmt: skip
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            with open(out, "a", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            for row in rows:
                click.echo(f"{row['opening']}{row['completion']}\n")
        progress.update(len(part))
    progress.close()


if __name__ == "__main__":
    run(sample)
