"""How every command of the project ends: 0 when done, 1 with one sentence, 130 when interrupted."""

import sys

import click

from backend.errors import UserError


def run(command: click.Command) -> None:
    """Run a click command and exit by the project's conventions, never with a traceback for bad input."""
    try:
        command.main(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(1)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if not error.filename:
            raise
        print(f"Error: {error.filename} cannot be used ({error.strerror}); mend that or name another.", file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        print("Interrupted; what was finished is saved, and the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
