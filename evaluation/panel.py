"""The judges of a run: who they are, where they answer, and how their answers get into one journal."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

import click

from backend.errors import UserError
from backend.llm.engine import Item, Outcome, Read, Settings, answer_all, unfinished
from backend.llm.estimate import Estimate
from backend.llm.journal import Journal
from backend.llm.openai_provider import OpenAIProvider
from backend.llm.options import Choice, confirm, make_providers, provider_options
from backend.llm.prices import price_of
from backend.llm.provider import Provider
from backend.llm.tokens import message_tokens
from evaluation.judge import MAX_TOKENS

_BATCH = 2000


@dataclass(frozen=True)
class Panel:
    """The names of the judges, the endpoints that answer for them, and how they are asked."""

    judges: tuple[str, ...]
    providers: Sequence[Provider]
    choice: Choice

    @property
    def settings(self) -> Settings:
        """A judge is asked at temperature 0; only a second try, after an unreadable answer, may differ from the first."""
        given = self.choice.settings
        return replace(
            given,
            temperature=0.0 if given.temperature is None else given.temperature,
            again_temperature=0.3,
            max_tokens=given.max_tokens or MAX_TOKENS,
            response_format={"type": "json_object"},
        )


def panel_options(model_is_judge: bool = True, required: bool = True) -> Callable:
    """A decorator: the command gets the argument `panel`, None when no judge is named and none is required.

    Judges answer through `openai` where no provider is named. They are named by `--judge`, or by `--model` where that does not name the model that is judged.
    """
    options = [
        click.option("--judge", "judges", multiple=True, metavar="NAME[@URL]", help="again for each judge; at the base URL unless it says its own"),
        click.option("--judge-key", "keys", multiple=True, metavar="NAME=VARIABLE", help="the environment variable with the key of a judge that has its own URL"),
    ]  # fmt: skip

    def decorate(function: Callable) -> Callable:
        def command(*arguments, choice: Choice, judges: tuple[str, ...], keys: tuple[str, ...], **values):
            panel = None
            if required or judges or keys or choice.base_urls or (model_is_judge and choice.model):
                choice = replace(choice, provider=choice.provider or "openai")
            if choice.provider:
                panel = _panel(choice, judges or ((choice.model,) if model_is_judge and choice.model else ()), keys)
            return function(*arguments, panel=panel, choice=choice, **values)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__click_params__ = list(getattr(function, "__click_params__", []))
        for option in reversed(options):
            command = option(command)
        command = provider_options()(command)
        for option in command.__click_params__:
            if option.name == "provider":
                option.required, option.help = False, "of the judges  [default: openai]"
        return command

    return decorate


def _panel(choice: Choice, judges: Sequence[str], keys: Sequence[str]) -> Panel:
    if not judges:
        raise UserError("Name at least one judge with --judge, such as --judge gpt-4o-mini.")
    variables = dict(text.partition("=")[::2] for text in keys)
    names, providers = [], []
    for text in dict.fromkeys(judges):
        name, at, url = text.partition("@http")
        if not name.strip() or "://" in name:
            raise UserError(f"--judge '{text}' names no judge; give NAME, or NAME@http://… for one at its own address.")
        if name in names:
            raise UserError(f"The judge '{name}' is named twice; each name can be asked at one place only.")
        names.append(name)
        if at:
            # The key and headers of the base URL are not for others to see.
            key = _key(name, variables[name]) if name in variables else "none"
            providers.append(OpenAIProvider(name, f"http{url}", api_key=key, timeouts=choice.timeouts, stream=choice.stream))
        else:
            providers += make_providers(replace(choice, model=name))
    if unknown := variables.keys() - names:
        raise UserError(f"--judge-key names {', '.join(sorted(unknown))}, who is no judge of this run.")
    return Panel(tuple(names), providers, choice)


def _key(name: str, variable: str) -> str:
    if not os.environ.get(variable):
        raise UserError(f"--judge-key {name}={variable}: the environment variable {variable} is not set.")
    return os.environ[variable]


def ask_panel(
    panel: Panel,
    items: Callable[[], Iterable[Item]],
    total: int,
    read: Read,
    path: Path,
    *,
    purpose: str,
    answer_tokens: int,
    unit: str,
) -> Outcome:
    """Have all items answered into the journal at `path`, after saying what that will take.

    `items` gives the same items each time it is called, those of several judges in turn. Raises UserError as the engine
    does, and for a journal of another purpose.
    """
    with Journal.create_or_open(path) as journal:
        held = journal.meta("purpose")
        if held != purpose and (held or journal.tallies()):
            raise UserError(f"{path} is the journal of {held or 'another command'}, not of {purpose}; give another --journal.")
        journal.set_meta("purpose", purpose)
        left = _estimate(panel, iter(items()), journal, answer_tokens)
        if left.calls:
            confirm(left, panel.choice)
        return answer_all(items(), panel.providers, journal, read, panel.settings, total=total, unit=unit)


def _estimate(panel: Panel, items: Iterator[Item], journal: Journal, answer_tokens: int) -> Estimate:
    """What the items take that the journal has not ended."""
    prices = {judge: price_of(judge, panel.settings.prices) for judge in panel.judges}
    calls, tokens_in, cost = 0, 0, 0.0
    while some := unfinished(items, journal, (), _BATCH):
        for item, _ in some:
            tokens, price = message_tokens(item.messages), prices[item.model]
            calls, tokens_in = calls + 1, tokens_in + tokens
            cost += price.of(tokens, answer_tokens) if price else float("nan")
    return Estimate(calls, tokens_in, calls * answer_tokens, None if isnan(cost) else cost)
