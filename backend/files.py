"""Writing a file or a folder so that it is either whole or not there."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def writing(path: Path | str, mode: str = "w") -> Iterator[IO]:
    """Open a temporary file beside `path`; at the end it is flushed to disk and renamed, on an error removed."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError) and not error.filename and error.errno:  # a full disk does not say where
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """A place to make a folder that gets the name `path` when it is whole; safe between processes, of which the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        whole = Path(temporary) / path.name
        yield whole
        try:
            os.replace(whole, path)
        except OSError:  # another process was quicker, and wrote the same
            if not path.exists():
                raise
