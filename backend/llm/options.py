"""The options by which every command chooses a provider and bounds a run, and what becomes of them."""

import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from backend.command_line import Number
from backend.errors import UserError
from backend.llm.budget import Budget
from backend.llm.engine import Settings
from backend.llm.estimate import Estimate
from backend.llm.lane import Limits
from backend.llm.prices import load_prices
from backend.llm.provider import LocalProvider, Provider, Timeouts

# name: the module and function that make the providers of a Choice; imported when it is chosen.
PROVIDERS = {
    "openai": "backend.llm.openai_provider:make",
    "openai-official": "backend.llm.openai_provider:make_official",
    "g4f": "backend.llm.g4f_provider:make",
}
_SECONDS = Number(min=0, min_open=True)
_SECRET = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """Which provider, and what a run with it may take, as the options say."""

    provider: str
    model: str | None
    base_urls: tuple[str, ...]
    headers: dict[str, str]
    timeouts: Timeouts
    stream: bool
    settings: Settings
    confirm_above: float
    yes: bool


def provider_options(more: dict[str, str] | None = None) -> Callable:
    """A decorator: the command gets one argument `choice`. `more` adds providers to those of this folder."""
    known = {**PROVIDERS, **(more or {})}
    options = [
        click.option("--provider", type=click.Choice(list(known)), required=True),
        click.option("--base-url", "base_urls", multiple=True, help="of an endpoint; again for each replica"),
        click.option("--model"),
        click.option("--header", "headers", multiple=True, help="'Name: value', or 'Name: $VARIABLE' for what is secret"),
        click.option("--rpm", type=Number(min=0, min_open=True), help="requests a minute to each endpoint; default: as its headers say"),
        click.option("--tpm", type=Number(min=0, min_open=True), help="tokens a minute to each endpoint"),
        click.option("--concurrency", default=1024, show_default=True, type=click.IntRange(min=1), help="most calls at once to each endpoint; how many is found out"),
        click.option("--max-tokens", type=click.IntRange(min=1), help="of an answer"),
        click.option("--temperature", type=Number(min=0)),
        click.option("--attempts", default=6, show_default=True, type=click.IntRange(min=1), help="before an item is a dead letter"),
        click.option("--max-cost", type=Number(min=0), help="dollars, over the whole life of the journal"),
        click.option("--max-tokens-total", type=click.IntRange(min=0), help="likewise, tokens in and out"),
        click.option("--prices", type=click.Path(path_type=Path), help="a file like backend/llm/prices.yaml"),
        click.option("--connect-timeout", default=10.0, show_default=True, type=_SECONDS, help="seconds"),
        click.option("--first-byte-timeout", default=120.0, show_default=True, type=_SECONDS, help="seconds, and between any two bytes"),
        click.option("--timeout", default=300.0, show_default=True, type=_SECONDS, help="seconds for a whole call"),
        click.option("--patience", default=600.0, show_default=True, type=Number(min=0), help="seconds that all endpoints may be dead, or the disk full"),
        click.option("--stream", is_flag=True, help="have answers streamed, so that a stalled one is seen sooner"),
        click.option("--confirm-above", default=1.0, show_default=True, type=Number(min=0), help="dollars of the estimate"),
        click.option("--yes", is_flag=True, help="do not ask"),
    ]  # fmt: skip

    def decorate(function: Callable) -> Callable:
        def command(*arguments, **values):
            return function(*arguments, choice=_choice(values), **values)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__click_params__ = list(getattr(function, "__click_params__", []))
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _choice(values: dict) -> Choice:
    take = values.pop
    budget = Budget(take("max_cost"), take("max_tokens_total"))
    settings = Settings(
        attempts=take("attempts"),
        max_tokens=take("max_tokens"),
        temperature=take("temperature"),
        limits=Limits(take("rpm"), take("tpm"), take("concurrency")),
        budget=budget,
        prices=load_prices(take("prices")),
        patience=take("patience"),
    )
    timeouts = Timeouts(take("connect_timeout"), take("first_byte_timeout"), take("timeout"))
    headers = dict(_header(text) for text in take("headers"))
    return Choice(
        take("provider"), take("model"), take("base_urls"), headers, timeouts, take("stream"), settings, take("confirm_above"), take("yes")
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name or not value:
        raise UserError(f"--header '{name}' is not of the form 'Name: value'.")
    if value.startswith("$"):
        if not os.environ.get(value[1:]):
            raise UserError(f"--header '{name}' asks for the environment variable {value[1:]}, which is not set.")
        return name, os.environ[value[1:]]
    if _SECRET.search(name):
        raise UserError(f"Secrets come from the environment alone: write --header '{name}: $VARIABLE', and set that variable.")
    return name, value


def make_providers(choice: Choice, more: dict[str, str] | None = None) -> LocalProvider | Sequence[Provider]:
    """What `answer_all` takes, of the provider that was chosen."""
    module, _, function = {**PROVIDERS, **(more or {})}[choice.provider].partition(":")
    return getattr(importlib.import_module(module), function)(choice)


def confirm(estimate: Estimate, choice: Choice) -> None:
    """Say what a run will take, and ask above the threshold. Raises UserError for a budget without a price, or a no."""
    if not estimate.calls:
        click.echo("Nothing is left to ask.", err=True)
        return
    click.echo(f"This run: {estimate}.", err=True)
    if estimate.cost is None and choice.settings.budget.dollars is None:
        click.echo(f"What '{choice.model}' costs is not counted: give --prices a file like backend/llm/prices.yaml, or bound the run by --max-tokens-total.", err=True)
    if estimate.cost is None and choice.settings.budget.dollars is not None:
        raise UserError(
            f"--max-cost needs a price for the model '{choice.model}', and none is known; add it to backend/llm/prices.yaml or give --prices."
        )
    if choice.yes or estimate.cost is None or estimate.cost <= choice.confirm_above:
        return
    if not sys.stdin.isatty():
        raise UserError(f"The estimate is above ${choice.confirm_above:g} and nobody can be asked; give --yes or a higher --confirm-above.")
    if not click.confirm("Go on?", err=True):
        raise UserError("Nothing was asked.")
