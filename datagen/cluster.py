"""`--ray ADDRESS`: the shards of a command as tasks of a Ray cluster, each with its journal, joined at the end.

The machines share a folder, under the same path, that holds the project and the journals. A lost worker's shard is begun
again on another, and goes on where its journal stopped. Keys come from each worker's own environment.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from tqdm import tqdm

from backend.errors import UserError
from backend.llm.journal import Journal
from datagen.merge import join
from datagen.plan import prompts_planned

_LOOK = 1.0  # seconds between two looks at the shards
_LOST_WORKERS = 1000  # how often a shard may be begun again
_UNLOCKED_AFTER = 60.0  # seconds in which a worker that was given up must let go of its journal
_SHARED = ("rpm", "tpm", "max_cost", "max_tokens_total")  # options that say what all shards may take together


class Remembering(click.Command):
    """A command that knows its own words, so that it can be given to another machine."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        context.meta["arguments"] = list(arguments)
        return super().parse_args(context, arguments)


def on_a_cluster(name: str) -> Callable:
    """A decorator above all options of a Remembering command that has --shard and --journal: adds --ray and --shards.

    `name` is 'module:function' of the command.
    """

    def decorate(function: Callable) -> Callable:
        def command(*arguments, cluster, shards, **values):
            if not cluster:
                return function(*arguments, **values)
            again = [*click.get_current_context().meta["arguments"], "--ray", "", "--yes"]
            for option in _SHARED:
                if values.get(option) is not None:
                    again += [f"--{option.replace('_', '-')}", str(type(values[option])(values[option] / shards))]
            return run_shards(cluster, name, again, shards, values["path"].resolve())

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__click_params__ = list(getattr(function, "__click_params__", []))
        command = click.option("--shards", default=4, show_default=True, type=click.IntRange(min=1), help="of --ray")(command)
        return click.option("--ray", "cluster", metavar="ADDRESS", help="have the shards done by a Ray cluster; 'local' starts one here")(command)

    return decorate


def run_shards(address: str, command: str, arguments: list[str], shards: int, journal: Path) -> None:
    """Run `command` ('module:function') once a shard, and join the journals into `journal`.

    Raises UserError when Ray is missing or a shard ends with one, KeyboardInterrupt after a clean stop.
    """
    _check_journal(journal)
    ray = _connected(address)
    paths = [journal.with_name(f"{journal.stem}.shard-{shard}-of-{shards}{journal.suffix}") for shard in range(shards)]
    task = ray.remote(max_retries=_LOST_WORKERS, num_cpus=1, scheduling_strategy="SPREAD")(_run_shard)
    tasks = [
        task.remote(command, [*arguments, "--shard", f"{shard}/{shards}", "--journal", str(path)], str(path))
        for shard, path in enumerate(paths)
    ]
    try:
        _watch(ray, tasks, paths)
    except KeyboardInterrupt:
        for number in tasks:
            ray.cancel(number, force=False)
        ray.wait(tasks, num_returns=len(tasks), timeout=_UNLOCKED_AFTER)
        raise
    except ray.exceptions.RayTaskError as error:
        raise _sentence(error) from None
    finally:
        ray.shutdown()
    tallies = join(paths, journal)
    with Journal.create_or_open(journal) as joined:
        joined.set_meta("joined_from", [path.name for path in paths])
    click.echo(f"{int(tallies.get('accepted', 0))} accepted, {int(tallies.get('dead', 0))} dead letters, of {shards} shards, in {journal}.")


def _run_shard(command: str, arguments: list[str], journal: str) -> None:
    """In a worker: the command itself, once whoever had the shard before has let go of it."""
    module, _, function = command.partition(":")
    begun = time.monotonic()
    while Path(journal).exists() and _is_written(journal) and time.monotonic() - begun < _UNLOCKED_AFTER:
        time.sleep(0.5)
    getattr(importlib.import_module(module), function).main(arguments, standalone_mode=False)


def _is_written(journal: str) -> bool:
    with Journal.read(journal) as opened:
        return opened.being_written()


def _watch(ray, tasks: list, paths: list[Path]) -> None:
    """Until every shard is done; raises what one of them ended with."""
    before, _ = _progress(paths)
    with tqdm(initial=before, unit=" items", disable=not sys.stderr.isatty()) as bar:
        left = tasks
        while left:
            done, left = ray.wait(left, timeout=_LOOK)
            ray.get(done)
            ended, bar.total = _progress(paths)
            bar.update(ended - bar.n)


def _progress(paths: list[Path]) -> tuple[int, int]:
    ended = planned = 0
    for path in paths:
        if path.exists() and path.stat().st_size:
            with Journal.read(path) as journal:
                tallies = journal.tallies()
                ended += int(tallies.get("accepted", 0) + tallies.get("dead", 0))
                planned += prompts_planned(journal)
    return ended, planned


def _check_journal(journal: Path) -> None:
    if journal.exists():
        with Journal.read(journal) as opened:
            if not opened.meta("joined_from"):
                raise UserError(f"{journal} exists and was not joined of shards; give --ray a --journal of its own.")


def _connected(address: str):
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anybody
    try:
        import ray
    except ImportError:
        raise UserError("--ray needs Ray; install it with `pip install -r requirements-extra.txt`.") from None
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level="ERROR", include_dashboard=False if address == "local" else None)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"No Ray cluster answers at '{address}' ({str(error).splitlines()[0][:200]}); start one with `ray start --head`.") from None
    return ray


def _sentence(error) -> UserError:
    cause = getattr(error, "cause", None)
    if isinstance(cause, UserError):
        return UserError(f"A shard stopped: {cause}")
    return UserError(f"A shard failed: {str(cause or error).strip().splitlines()[-1][:300]}")
