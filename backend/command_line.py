"""How every command of the project ends: 0 when done, 1 with one sentence, 130 when interrupted."""

import errno
import math
import sqlite3
import sys

import click

from backend.errors import UserError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)


class Number(click.FloatRange):
    """A range of numbers without `nan`, which no comparison keeps out, and without `inf`."""

    def convert(self, value, param, context):
        """As click's own."""
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is no number.", param, context)
        return number


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
    except sqlite3.Error as error:
        print(f"Error: The journal cannot be read or written ({error}); mend that, and the same command goes on.", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if not error.filename and error.errno not in _DISK:
            raise
        if error.filename:
            # Of a file that is being renamed, the name that was asked for.
            print(f"Error: {error.filename2 or error.filename} cannot be used ({error.strerror}); mend that or name another.", file=sys.stderr)
        else:
            print(f"Error: The output cannot be written ({error.strerror}); mend that or write elsewhere.", file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        print("Interrupted; what was finished is saved, and the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
