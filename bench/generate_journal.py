"""Claim: a journal of 2,000,000 stories opens in under 2 s, tells its status in under 1 s, and is exported at 50,000 rows/s.

The rows are written through the journal itself. Peers, in the same run: SQLite's own `SELECT` of what the export reads,
and the opening of a JSONL file of the same stories as the paper's scripts keep it, which is read whole to go on.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from backend.llm.journal import ACCEPTED, DEAD, Attempt, Entry, Journal
from bench.claim import tell
from datagen.plan import Plan, enter_plan, record_of
from datagen.progress import progress
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller

ROWS, BATCH, PLOTS = 2_000_000, 2000, 500
TIMED = """
import resource, sys, time
begun = time.perf_counter()
{code}
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
OPEN = "from backend.llm.journal import Journal\nbegun = time.perf_counter()\nJournal.create_or_open({path!r}).close()"
STATUS = """
from backend.llm.journal import Journal
from datagen.progress import progress
begun = time.perf_counter()
with Journal.read({path!r}) as journal:
    progress(journal)
"""
SELECT = """
import sqlite3
for row in sqlite3.connect({path!r}).execute("SELECT * FROM items WHERE state = 'accepted' ORDER BY number"):
    pass
"""
READ_JSONL = """
import json
with open({path!r}, encoding="utf-8") as file:
    stories = [json.loads(line) for line in file]
"""


def fill(path: Path, rows: int) -> None:
    """Stories of the storyteller, a number in each, with every tenth answer rejected once and every hundredth prompt dead."""
    prompts = Prompts("english")
    teller = load_storyteller("english")
    told = [teller.tell(p.noun, p.verb, p.adjective, p.feature, seed=p.text) for p in prompts.range(0, PLOTS)]
    with Journal.create_or_open(path) as journal:
        journal.connection.execute("PRAGMA synchronous = OFF")  # of making it, which is not what is measured
        enter_plan(Plan("english", "2+", 0, rows), journal)
        entries = []
        for number, prompt in enumerate(prompts.range(0, rows)):
            text = f"{number} {told[number % PLOTS]}"
            dead = number % 100 == 0
            attempt = Attempt("http://x", 2.0, "truncated" if dead else None, None, json.dumps({"story": text}, ensure_ascii=False), "stop", 300, 500, 0.001)
            entries.append(Entry(prompt.id, record_of(prompt), DEAD if dead else ACCEPTED, attempt, text, None, text, "openai", "m"))
            if len(entries) == BATCH:
                journal.save(entries)
                entries = []
        journal.save(entries)


def make(path: Path, rows: int) -> Path:
    """The journal of so many rows, filled unless it is there."""
    if not path.exists():
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        fill(making, rows)
        making.rename(path)
    return path


def timed(code: str, path: Path) -> tuple[float, int]:
    """Seconds, and peak MB, of code in a process of its own."""
    done = subprocess.run([sys.executable, "-c", TIMED.format(code=code.format(path=str(path)))], stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


def export(path: Path, out: Path) -> tuple[float, int]:
    """The same of the whole export command."""
    code = f"from datagen.export import export\nexport.main([{str(path)!r}, '--out', {str(out)!r}, '--near-duplicates', '0', '--validation', '0'], standalone_mode=False)"
    timed_code = TIMED.format(code=f"import sys\nsys.stdout, out = sys.stderr, sys.stdout\n{code}\nsys.stdout = out")
    done = subprocess.run([sys.executable, "-c", timed_code], stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


@click.command()
@click.option("--quick", is_flag=True, help="100,000 rows")
@click.option("--kept", type=click.Path(path_type=Path), help="a folder where the journals stay, and are found again")
def main(quick: bool, kept: Path | None) -> None:
    """Print the table and the claims."""
    rows = 100_000 if quick else ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = kept or Path(name)
        path, small = (make(folder / f"journal-{count}.sqlite", count) for count in (rows, rows // 10))
        jsonl = folder / "stories.jsonl"
        with Journal.read(path) as journal:
            accepted = progress(journal)["accepted"]
            with open(jsonl, "w", encoding="utf-8") as file:
                for id_, text in journal.accepted("id, text"):
                    file.write(json.dumps({"id": id_, "story": text}, ensure_ascii=False) + "\n")
        found = {"opening": timed(OPEN, path), "status": timed(STATUS, path), "SELECT alone": timed(SELECT, path), "JSONL read whole": timed(READ_JSONL, jsonl)}
        jsonl.unlink()
        found["export"] = export(path, folder / "out")
        shutil.rmtree(folder / "out")
        _, peak_of_small = export(small, folder / "out")
        shutil.rmtree(folder / "out")
        size = path.stat().st_size / 1e9
    print(f"{rows:,} prompts, {accepted:,} stories, {size:.1f} GB | seconds | peak MB")
    for what, (seconds, peak) in found.items():
        print(f"{what} | {seconds:.3f} | {peak}")
    print(f"export of a tenth | | {peak_of_small}")
    opening, status, exporting = (found[what][0] for what in ("opening", "status", "export"))
    read = found["JSONL read whole"]
    tell(f"seconds to open a journal of {rows:,} prompts", opening, 2, opening < 2, {"JSONL read whole, s": round(read[0], 1), "its MB": read[1]})
    tell("seconds of its status", status, 1, status < 1, {"opening, s": round(opening, 3)})
    rate = accepted / exporting
    peers = {"SELECT alone, rows/s": round(accepted / found["SELECT alone"][0])}
    tell("rows/s of the whole export command", rate, 50_000, rate >= 50_000, peers, ("pyarrow", "orjson"))
    flat = found["export"][1] / peak_of_small
    tell("peak memory of the export over that of a tenth of it", flat, 1.2, flat <= 1.2, {"MB": found["export"][1], "MB of a tenth": peak_of_small})


if __name__ == "__main__":
    main()
