"""`python -m evaluation`: scores of stories, with their uncertainty."""

import importlib

import click

from backend.command_line import run

# command: its module in commands/, imported when it is called, so that each starts quickly.
COMMANDS = {
    "quick": "quick",
    "judge": "judge",
    "run": "run",
    "marks": "marks",
    "choose": "choose",
    "report": "report",
    "compare": "report",
    "pairwise": "pairwise",
    "ladder": "ladder",
    "examples": "examples",
    "memorisation": "memorisation",
    "tokenizers": "tokenizers",
    "weights": "weights",
    "bits": "bits",
}


class Commands(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"evaluation.commands.{COMMANDS[name]}"), name)


@click.group(cls=Commands)
def evaluation() -> None:
    """From completions to scores, comparisons and reports."""


if __name__ == "__main__":
    run(evaluation)
