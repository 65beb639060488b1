"""Folders to and from the Hugging Face Hub; the key comes from HF_TOKEN or `hf auth login`."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from backend.errors import UserError

_TRIES = 5  # of an upload or a download whose connection breaks
_LAST_CHECKPOINT = "last-checkpoint"
_MODEL_FILES = ["*.safetensors", "*.json", "*.model", "README.md"]
_DATA_FILES = ["*.parquet", "*.jsonl", "*.jsonl.gz", "*.json", "*.csv", "README.md"]


def upload_folder(
    folder: Path | str,
    repo: str,
    kind: str,
    *,
    private: bool = True,
    message: str | None = None,
    into: str | None = None,
    replace: str | None = None,
) -> str:
    """Put a folder into a repository of the Hub, made when missing, and return the repository's address.

    `kind` is "model", "dataset" or "space"; `private` is for a repository that is made, and one that exists keeps what
    it is. `into` is a folder there. Files there that match `replace` and are not here any more are removed. Called
    again after it was cut off, it sends only what is missing. Raises UserError for a bad name, a missing or
    insufficient token, or a Hub that cannot be reached.
    """
    from huggingface_hub import HfApi

    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; give one that an export made.")
    require_token(repo)
    with _told(repo, "written to"):
        api, sdk = HfApi(), "gradio" if kind == "space" else None
        made = _persistently(lambda: api.create_repo(repo, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk))
        _persistently(
            lambda: api.upload_folder(
                repo_id=made.repo_id, repo_type=kind, folder_path=folder, path_in_repo=into, delete_patterns=replace,
                commit_message=message or f"Upload {folder.name}", ignore_patterns=[".*", "**/.*"],
            )
        )  # fmt: skip
    return str(made)


def require_token(repo: str) -> None:
    """Raise UserError where this machine has no token for the Hub, or `repo` is no name: nothing can be sent there then."""
    from huggingface_hub import get_token
    from huggingface_hub.utils import validate_repo_id

    with _told(repo, "written to"):
        validate_repo_id(repo)
        if get_token() is None:
            raise UserError(
                f"There is no token for the Hub, so nothing can be sent to '{repo}'; put one with the right to write, from "
                "huggingface.co/settings/tokens, into HF_TOKEN, or log in with `hf auth login`."
            )


def download_model(repo: str, revision: str | None = None, more: tuple[str, ...] = ()) -> Path:
    """The folder of a model of the Hub: its weights, configuration and tokenizer, and what matches `more`.

    Raises UserError as `upload_folder`.
    """
    return _download(repo, "model", revision, [*_MODEL_FILES, *more])


def download_checkpoint(repo: str, revision: str | None = None) -> Path:
    """The folder that `push_in_background` last sent to a repository, with all that training goes on from; where there
    is none, the model's. Raises UserError as `upload_folder`.
    """
    folder = _download(repo, "model", revision, [f"{_LAST_CHECKPOINT}/*", *_MODEL_FILES])
    last = folder / _LAST_CHECKPOINT
    return last if last.is_dir() else folder


def download_dataset(repo: str, revision: str | None = None) -> Path:
    """The folder of a dataset of the Hub, its data files alone. Raises UserError as `upload_folder`."""
    return _download(repo, "dataset", revision, _DATA_FILES)


def _download(repo: str, kind: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    with _told(repo, "read from"):
        name, _, pinned = repo.partition("@")
        return Path(
            _persistently(
                lambda: snapshot_download(name, repo_type=kind, revision=revision or pinned or None, allow_patterns=patterns)
            )
        )


_uploads: ThreadPoolExecutor | None = None
_waiting: tuple[Future, Path, str | None] | None = None


def push_in_background(folder: Path, repo: str, message: str, into: str | None = _LAST_CHECKPOINT) -> None:
    """Send a checkpoint to `last-checkpoint/` of a private model repository, or a model to its root (None), meanwhile.

    One goes at a time, and of those that wait for the same place the newest alone. What fails is said on stderr and
    stops nothing. `await_pushes` before the process ends, for a dying interpreter starts none of the client's threads.
    """
    global _uploads, _waiting
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()  # training has a bar of its own
    if _waiting and _waiting[2] == into and _waiting[0].cancel():
        shutil.rmtree(_waiting[1], ignore_errors=True)
    _uploads = _uploads or ThreadPoolExecutor(1, "push")
    copy = _linked(folder)
    _waiting = (_uploads.submit(_push, copy, repo, message, into), copy, into)


def await_pushes() -> None:
    """Return when the last push has arrived or failed."""
    global _uploads
    if _uploads:
        _uploads.shutdown()
        _uploads = None


def _push(copy: Path, repo: str, message: str, into: str | None) -> None:
    try:
        upload_folder(copy, repo, "model", message=message, into=into)
    except Exception as error:  # nobody waits for it: it would be lost
        print(f"'{message}' was not pushed: {error}", file=sys.stderr)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _linked(folder: Path) -> Path:
    """The folder's files under a second name, for training removes old checkpoints when it likes."""
    copy = Path(tempfile.mkdtemp(prefix=f".{folder.name}.push.", dir=folder.parent))
    shutil.copytree(folder, copy, dirs_exist_ok=True, copy_function=_link)
    return copy


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _persistently(action):
    """The action's value, tried again when a connection breaks or the server is in trouble."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    for number in range(1, _TRIES + 1):
        try:
            return action()
        except (HfHubHTTPError, httpx2.TransportError) as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else 500
            refused = isinstance(error, httpx2.ConnectError)  # nobody is there, or the network is off
            if number == _TRIES or refused or (status < 500 and status not in (408, 429)):
                raise
        time.sleep(min(30.0, 2.0**number))


@contextmanager
def _told(repo: str, done: str) -> Iterator[None]:
    """Turn what the Hub's client raises into one sentence."""
    import httpx2
    from huggingface_hub import constants, errors

    try:
        yield
    except errors.HFValidationError:
        raise UserError(f"'{repo}' is no name of a repository; one looks like ORG/NAME.") from None
    except errors.LocalTokenNotFoundError:
        raise UserError(_token(repo)) from None
    except errors.LocalEntryNotFoundError as error:
        raise UserError(f"'{repo}' could not be {done} the Hub and is not in the cache ({_root(error)}); check the network.") from None
    except errors.RepositoryNotFoundError as error:
        if _status(error) == 401:
            raise UserError(_token(repo)) from None
        raise UserError(f"The Hub has no '{repo}' that your token may see; check the name, its kind and HF_TOKEN.") from None
    except errors.RevisionNotFoundError:
        name, _, revision = repo.partition("@")
        raise UserError(f"The Hub has no revision '{revision}' of '{name}'; name a branch, tag or commit of it, or leave it out.") from None
    except errors.HfHubHTTPError as error:
        status = _status(error)
        if status == 401:
            raise UserError(_token(repo)) from None
        if status == 403:
            raise UserError(f"Your token may not do this with '{repo}'; make one with the right to write at huggingface.co/settings/tokens.") from None
        raise UserError(f"'{repo}' could not be {done} the Hub, which answered {status or 'nothing'}; the same command goes on later.") from None
    except errors.OfflineModeIsEnabled:
        raise UserError(f"HF_HUB_OFFLINE is set, so '{repo}' cannot be {done} the Hub; unset it and give the same command again.") from None
    except (httpx2.HTTPError, ConnectionError) as error:
        raise UserError(
            f"The Hub cannot be reached at {constants.ENDPOINT} ({type(error).__name__}); check the network, HTTPS_PROXY and HF_ENDPOINT, "
            "then give the same command again: what has arrived stays."
        ) from None


def _token(repo: str) -> str:
    from huggingface_hub import get_token

    if get_token():
        return f"The Hub does not accept your token for '{repo}'; put a valid one from huggingface.co/settings/tokens into HF_TOKEN."
    return (
        f"The Hub has no public '{repo}', and there is no token to ask for a private one; check the name, or put a token from "
        "huggingface.co/settings/tokens into HF_TOKEN."
    )


def _status(error) -> int | None:
    return error.response.status_code if error.response is not None else None


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__
