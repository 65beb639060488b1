"""`python -m bench [--quick] [NAME ...]`: runs the scripts of this folder and writes results.md."""

import json
import subprocess
import sys
from pathlib import Path

import click

from backend.command_line import run
from backend.files import writing

FOLDER = Path(__file__).resolve().parent
NOT_CLAIMS = {"__init__", "__main__", "claim"}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="smaller sizes, a few minutes in all")
def bench(names: tuple[str, ...], quick: bool) -> None:
    """Run the named benchmarks, or all, and write bench/results.md."""
    results = []
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem in NOT_CLAIMS or (names and path.stem not in names):
            continue
        click.echo(f"\n{path.stem}", err=True)
        command = [sys.executable, "-m", f"bench.{path.stem}", *(["--quick"] if quick else [])]
        done = subprocess.run(command, cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True)
        sys.stdout.write(done.stdout)
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"claim"')]
        results += [(path.stem, json.loads(line)) for line in lines]
        if done.returncode or not lines:
            results.append((path.stem, {"claim": f"did not finish (exit {done.returncode})", "holds": False}))
    if not names:
        _write(results, quick)


def _write(results: list[tuple[str, dict]], quick: bool) -> None:
    with writing(FOLDER / "results.md") as file:
        print(f"# Measured{' (--quick)' if quick else ''}\n", file=file)
        print("| script | claim | figure | goal | holds | peers |\n| --- | --- | --- | --- | --- | --- |", file=file)
        for name, result in results:
            peers = ", ".join(f"{peer}: {value}" for peer, value in result.get("peers", {}).items())
            cells = (name, result["claim"], result.get("figure", ""), result.get("goal", ""))
            print("|", " | ".join(map(str, cells)), "|", "yes" if result["holds"] else "no", "|", peers, "|", file=file)
        print("\nVersions and machines:\n", file=file)
        for versions in sorted({json.dumps(result["versions"]) for _, result in results if "versions" in result}):
            print(f"- `{versions}`", file=file)


if __name__ == "__main__":
    run(bench)
