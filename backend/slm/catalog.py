"""Which models there are: bundled ones, folders on this machine, and the Hub's."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from backend.errors import UserError
from backend.languages import language_names, load_language
from backend.slm.downloads import Report, download, read_name

BUNDLED = Path(__file__).resolve().parents[2] / "models"


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


def resolve(name: str, local: bool = True, report: Report | None = None) -> ModelFolder:
    """A model by bundled name, folder, Hub id `ORG/NAME[@REVISION][/FILE.pt]` or its page's address.

    `local` False leaves folders out, for names that visitors type. `report` is told how much has been fetched. Raises
    UserError for a name that is none of these, or a Hub model that may not or cannot be had.
    """
    bundled = {model.name: model for model in bundled_models()}
    if name in bundled:
        return bundled[name]
    if local and (Path(name) / "config.json").exists():
        return _model_folder(Path(name))
    hub_name = read_name(name)
    if hub_name is None or (local and Path(name).exists()):
        raise UserError(
            f"'{name[:80]}' is neither a bundled model ({', '.join(bundled) or 'there is none'}), nor "
            f"{'a model folder, nor ' if local else ''}a Hub id of the form ORG/NAME; choose one of these."
        )
    path, commit = download(hub_name, report)
    return _model_folder(path, name, commit)


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
