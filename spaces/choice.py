"""Which model tells a story when the visitor has not said, or has said another language."""

from backend.errors import UserError
from backend.languages import language_names, load_language
from backend.slm.catalog import ModelFolder
from backend.slm.downloads import read_name
from backend.slm.shelf import Models
from spaces.labels import labels

_FIRST = "hindi"


def writes(model: ModelFolder, language: str) -> bool:
    """Whether a model's card names the language, or names none at all."""
    return not model.languages or language in model.languages


def models_for(models: Models, language: str) -> list[str]:
    """Names of the offered models that write a language: those of this language alone first, then the largest."""
    fitting = [model for model in models.folders.values() if writes(model, language)]
    return [model.name for model in sorted(fitting, key=lambda model: (len(model.languages) != 1, -model.bytes))]


def languages_written(models: Models) -> list[str]:
    """Languages that an offered model writes; all of them while there is no model, for the Hub's may write any."""
    names = language_names()
    return [name for name in names if models_for(models, name)] or names


def first_language(models: Models) -> str:
    """The story language that the page opens with."""
    written = languages_written(models)
    return _FIRST if _FIRST in written else written[0]


def known_name(typed: str) -> str:
    """The one name of a model of the Hub, however its id or address was typed; any other name as it is."""
    hub = read_name(typed)
    return str(hub) if hub else typed.strip()


def choose_model(models: Models, asked: str | None, language: str, page_language: str = "english") -> str:
    """The model to use: the one asked for if it writes the language, else the first that does.

    Raises UserError, in the page's language, when there is none.
    """
    asked = known_name(asked or "")
    if asked and (asked not in models.folders or writes(models.folders[asked], language)):
        return asked
    fitting = models_for(models, language)
    if not fitting:
        words = labels(page_language)
        if not models.folders:
            raise UserError(words["no_model"])
        raise UserError(words["no_model_for"].format(language=load_language(language).native_name))
    return fitting[0]
