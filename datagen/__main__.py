"""`python -m datagen`: words, prompts, stories and datasets."""

import importlib

import click

from backend.command_line import run

# command: the module that holds it; imported when it is called, so that each starts quickly.
COMMANDS = {
    "check": "datagen.tell",
    "prompts": "datagen.tell",
    "tell": "datagen.tell",
    "corpus": "datagen.corpus",
    "words": "datagen.vocabulary",
    "stories": "datagen.stories",
    "translate": "datagen.translate",
    "merge": "datagen.merge",
    "status": "datagen.progress",
    "dead": "datagen.dead",
    "retry": "datagen.dead",
    "recheck": "datagen.recheck",
    "export": "datagen.export",
    "push": "datagen.push",
}


class Commands(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return getattr(importlib.import_module(COMMANDS[name]), name.replace("-", "_"))


@click.group(cls=Commands)
def datagen() -> None:
    """From word lists to prompts, stories and datasets."""


if __name__ == "__main__":
    run(datagen)
