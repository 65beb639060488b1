"""Which models there are: bundled ones, folders on this machine, and the Hub's."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from backend.errors import UserError
from backend.languages import language_names, load_language

BUNDLED = Path(__file__).resolve().parents[2] / "models"
# Organisations whose models a visitor may load; the operator sets TINYSTORIES_ORGANISATIONS, "*" for all.
ORGANISATIONS = ("TinyStories-Regional",)
MAX_DOWNLOAD_BYTES = 2_000_000_000
_HUB_ID = re.compile(r"(?:https://huggingface\.co/)?([\w.-]+/[\w.-]+)(?:@([\w.-]+))?/?")


@dataclass(frozen=True)
class ModelFolder:
    """A model on this disk. `revision` is the Hub commit, '' for local folders; `languages` empty when not told."""

    path: Path
    name: str
    revision: str = ""
    languages: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of the weights on disk."""
        return sum(file.stat().st_size for file in self.path.glob("*.safetensors"))


def models_in(folder: Path) -> list[ModelFolder]:
    """The model folders directly below a folder, by name; the folder itself when it is one."""
    folder = Path(folder)
    if (folder / "config.json").exists():
        return [_model_folder(folder)]
    return [_model_folder(path.parent) for path in sorted(folder.glob("*/config.json"))]


def bundled_models() -> list[ModelFolder]:
    """The models that come with the project."""
    return models_in(BUNDLED)


def resolve(name: str, local: bool = True) -> ModelFolder:
    """A model by bundled name, folder, Hub id `ORG/NAME[@REVISION]` or its page's address.

    `local` False leaves folders out, for names that visitors type. Raises UserError for a name that is none of these, or a Hub model that may not or cannot be had.
    """
    bundled = {model.name: model for model in bundled_models()}
    if name in bundled:
        return bundled[name]
    if local and (Path(name) / "config.json").exists():
        return _model_folder(Path(name))
    match = _HUB_ID.fullmatch(name.strip())
    if not match or (local and Path(name).exists()):
        raise UserError(
            f"'{name}' is neither a bundled model ({', '.join(bundled) or 'there is none'}), nor "
            f"{'a model folder, nor ' if local else ''}a Hub id of the form ORG/NAME; choose one of these."
        )
    return _download(match.group(1), match.group(2))


def _model_folder(path: Path, name: str | None = None, revision: str = "") -> ModelFolder:
    return ModelFolder(path, name or path.name, revision, _languages(path / "README.md"))


def _languages(card: Path) -> tuple[str, ...]:
    if not card.exists():
        return ()
    parts = card.read_text("utf-8").split("---", 2)
    try:
        codes = (yaml.safe_load(parts[1]) or {}).get("language") or [] if len(parts) == 3 else []
    except (yaml.YAMLError, AttributeError):
        return ()
    by_code = {load_language(name).code: name for name in language_names()}
    codes = [codes] if isinstance(codes, str) else codes
    return tuple(by_code[code] for code in codes if code in by_code)


def _download(repo_id: str, revision: str | None) -> ModelFolder:
    allowed = os.environ.get("TINYSTORIES_ORGANISATIONS", ",".join(ORGANISATIONS)).split(",")
    if "*" not in allowed and repo_id.split("/")[0] not in allowed:
        raise UserError(
            f"'{repo_id}' is of an organisation that this app does not load from; it loads from {', '.join(allowed)}. "
            "Whoever runs the app can widen TINYSTORIES_ORGANISATIONS."
        )
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.safetensors", "*.json", "README.md"]
    try:
        info = HfApi().model_info(repo_id, revision=revision, files_metadata=True)
        size = sum(file.size or 0 for file in info.siblings if file.rfilename.endswith((".safetensors", ".json")))
        if size > MAX_DOWNLOAD_BYTES:
            raise UserError(f"'{repo_id}' has {size / 1e9:.1f} GB; this app loads at most {MAX_DOWNLOAD_BYTES / 1e9:.0f} GB.")
        path = snapshot_download(repo_id, revision=info.sha, allow_patterns=patterns)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"'{repo_id}' could not be fetched from the Hub ({type(error).__name__}); check its name and the network."
        ) from None
    return _model_folder(Path(path), repo_id, info.sha)
