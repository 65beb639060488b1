"""Models of the Hub: which files, how large, at which revision; stock folders as they are, the paper's `.pt` files converted."""

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from backend.cache import cache_folder
from backend.errors import UserError
from backend.slm.spelling import WORDS

# Organisations whose models a visitor may load; the operator sets TINYSTORIES_ORGANISATIONS, "*" for all.
ORGANISATIONS = ("TinyStories-Regional",)
MAX_BYTES = 2_000_000_000
# The tokenizers of the paper, by a word of its checkpoints' names.
_TOKENIZERS = {"sarvam": "sarvamai/sarvam-1", "sutra": "TWO/sutra-mlt256-v2", "tiktoken": "tiktoken:gpt2", "gpt2": "tiktoken:gpt2"}
_NAME = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)?([\w.-]+/[\w.-]+?)(?:@([\w.-]+))?(?:/(?:blob|resolve|tree)/([\w.-]+))?(?:/(.+\.pt))?/?(?:[?#].*)?"
)
_LONGEST_NAME = 300  # characters; of a repository the Hub allows 96
_STOCK = ["*.safetensors", "*.json", "README.md", WORDS]

Report = Callable[[int, int], None]  # bytes that have come, bytes in all


@dataclass(frozen=True)
class HubName:
    """What a visitor typed: a repository, its revision, and one `.pt` file of it where it has several."""

    repo: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision and self.revision != "main" else ""
        return self.repo + revision + (f"/{self.file}" if self.file else "")


def read_name(text: str) -> HubName | None:
    """`ORG/NAME[@REVISION][/FILE.pt]`, or an address of the Hub; None for anything else."""
    match = _NAME.fullmatch(unquote(text.strip())) if len(text) <= _LONGEST_NAME else None
    if not match:
        return None
    repo, revision, branch, file = match.groups()
    return HubName(repo, revision or branch, file)


def download(name: HubName, report: Report | None = None) -> tuple[Path, str]:
    """The model folder and its commit. Raises UserError for what may not or cannot be had, before anything large is fetched."""
    allowed = os.environ.get("TINYSTORIES_ORGANISATIONS", ",".join(ORGANISATIONS)).split(",")
    if "*" not in allowed and name.repo.split("/")[0] not in allowed:
        raise UserError(
            f"'{name.repo}' is of an organisation that this app does not load from; it loads from {', '.join(allowed)}. "
            "Whoever runs the app can widen TINYSTORIES_ORGANISATIONS."
        )
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        info = HfApi().model_info(name.repo, revision=name.revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings}
        if name.file is None and any(file.endswith(".safetensors") for file in sizes):
            return _stock(name, info.sha, sizes, report), info.sha
        return _checkpoint(name, info.sha, sizes, report), info.sha
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise UserError(
            f"'{name.repo}' could not be fetched from the Hub ({type(error).__name__}); check its name and the network."
        ) from None


def _stock(name: HubName, sha: str, sizes: dict[str, int], report: Report | None) -> Path:
    from huggingface_hub import snapshot_download

    wanted = {file: size for file, size in sizes.items() if "/" not in file and file.endswith((".safetensors", ".json", WORDS))}
    _bound(name, sum(wanted.values()))
    bars = _reporting(report, sum(wanted.values()))
    return Path(snapshot_download(name.repo, revision=sha, allow_patterns=_STOCK, ignore_patterns=["*/*"], tqdm_class=bars))


def _checkpoint(name: HubName, sha: str, sizes: dict[str, int], report: Report | None) -> Path:
    from huggingface_hub import hf_hub_download

    files = sorted(file for file in sizes if file.endswith(".pt"))
    file = name.file or (files[0] if len(files) == 1 else None)
    if file is None and files:
        shown = ", ".join(f"'{name.repo}/{other}'" for other in files[:8])
        raise UserError(f"'{name.repo}' has {len(files)} checkpoints; give the whole name of one, such as {shown}.")
    if file not in sizes:
        raise UserError(f"'{name.repo}' has no {name.file or 'safetensors or .pt file'}; choose another model.")
    _bound(name, sizes[file])
    tokenizer = next((spec for word, spec in _TOKENIZERS.items() if word in file.lower()), None)
    if tokenizer is None:
        raise UserError(
            f"'{file}' does not name its tokenizer ({', '.join(_TOKENIZERS)}); convert it with `python trainer/import_nanogpt.py "
            "--tokenizer …`, and give the folder to `python app.py --models`."
        )
    out = cache_folder() / "nanogpt" / sha / re.sub(r"[^\w,=-]+", "_", file.removesuffix(".pt"))
    if not (out / "config.json").exists():
        try:
            from backend.slm.nanogpt import convert
        except ImportError:
            raise UserError(
                f"'{file}' is a .pt file, which only torch reads; install torch beside the app, or convert the file once where "
                "it is, with `python trainer/import_nanogpt.py`, and put the folder on the Hub."
            ) from None
        path = hf_hub_download(name.repo, file, revision=sha, tqdm_class=_reporting(report, sizes[file]))
        convert(Path(path), tokenizer, out)
    return out


def _bound(name: HubName, size: int) -> None:
    if size > MAX_BYTES:
        raise UserError(f"'{name.repo}' has {size / 1e9:.1f} GB; this app loads at most {MAX_BYTES / 1e9:.0f} GB.")


def _reporting(report: Report | None, total: int):
    """A progress bar for huggingface_hub that reports bytes, those of all files of one download together."""
    from tqdm.auto import tqdm

    come, guard = [0], threading.Lock()

    class Bar(tqdm):
        def update(self, n=1):
            if report and self.unit == "B" and n:
                with guard:
                    come[0] = min(total, come[0] + int(n))
                    report(come[0], total)
            return super().update(n)

    return Bar
