"""Which model tells a story when the visitor has not said, or has said another language."""

from backend.errors import UserError
from backend.slm.catalog import ModelFolder
from backend.slm.shelf import Models
from spaces.labels import labels


def writes(model: ModelFolder, language: str) -> bool:
    """Whether a model's card names the language, or names none at all."""
    return not model.languages or language in model.languages


def models_for(models: Models, language: str) -> list[str]:
    """Names of the offered models that write a language, the largest first."""
    fitting = [model for model in models.folders.values() if writes(model, language)]
    return [model.name for model in sorted(fitting, key=lambda model: -model.bytes)]


def choose_model(models: Models, asked: str | None, language: str, page_language: str = "english") -> str:
    """The model to use: the one asked for if it writes the language, else the first that does.

    Raises UserError when there is none.
    """
    asked = (asked or "").strip()
    if asked and (asked not in models.folders or writes(models.folders[asked], language)):
        return asked
    fitting = models_for(models, language)
    if not fitting:
        raise UserError(labels(page_language)["no_model"])
    return fitting[0]
