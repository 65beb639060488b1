"""`python -m datagen` inside the test's own process: as a user sees it, without the seconds of a new interpreter."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from backend.command_line import run
from datagen.__main__ import datagen as group


def datagen(*arguments: object) -> subprocess.CompletedProcess:
    """Exit code and what was printed."""
    words, out, err, code = ["datagen", *map(str, arguments)], io.StringIO(), io.StringIO(), 0
    with patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            run(group)
        except SystemExit as exited:
            code = exited.code
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
