"""Which languages and models a visitor is offered, also where a language has words but no model."""

import shutil

import pytest

from backend import languages
from backend.errors import UserError
from backend.languages import LANGUAGES_FOLDER
from backend.slm.catalog import ModelFolder
from backend.slm.shelf import Models
from spaces.choice import choose_model, first_language, languages_written, models_for
from spaces.labels import all_labels
from spaces.opening import language_of

TYPED = "ᏌᏊ ᎢᏳᏩᏂᎸ"


@pytest.fixture
def wordy(tmp_path, monkeypatch):
    """A language with a folder like Hindi's in a script of its own, and no model."""
    folder = tmp_path / "languages"
    shutil.copytree(LANGUAGES_FOLDER, folder)
    shutil.copytree(folder / "hindi", folder / "cherokee")
    path = folder / "cherokee" / "language.yaml"
    kept = [line for line in path.read_text("utf-8").splitlines() if line.split(":")[0] not in _CHANGED]
    path.write_text("\n".join([*kept, *(f"{key}: {value}" for key, value in _CHANGED.items())]), "utf-8")
    monkeypatch.setattr(languages, "LANGUAGES_FOLDER", folder)
    languages.load_language.cache_clear()
    yield "cherokee"
    languages.load_language.cache_clear()


_CHANGED = {
    "name": "cherokee", "english_name": "Cherokee", "native_name": "ᏣᎳᎩ", "code": "chr", "script": "Cherokee",
    "unicode_ranges": "[[0x13A0, 0x13FF]]",
}  # fmt: skip


@pytest.fixture
def models(tmp_path):
    def folder(name: str, size: int, *spoken: str) -> ModelFolder:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"0" * size)
        return ModelFolder(tmp_path / name, name, languages=spoken)

    return Models([folder("many", 900, "hindi", "bangla"), folder("small", 10, "hindi"), folder("good", 50, "hindi")])


def test_the_model_of_one_language_comes_before_larger_ones_of_many(models):
    assert models_for(models, "hindi") == ["good", "small", "many"]
    assert choose_model(models, None, "bangla") == "many"


def test_a_language_without_a_model_is_not_offered_and_is_named_when_it_is_typed(models, wordy):
    assert languages_written(models) == ["bangla", "hindi"]
    assert first_language(models) == "hindi"
    spoken = language_of(TYPED, "hindi", written=languages_written(models))
    assert spoken == wordy
    for page in all_labels():
        with pytest.raises(UserError, match="ᏣᎳᎩ") as caught:
            choose_model(models, "good", spoken, page)
        assert str(caught.value)[-1] in ".।"
    assert choose_model(models, "somebody/cherokee-stories", spoken) == "somebody/cherokee-stories"


def test_without_models_every_language_may_be_one_of_the_hub_s(wordy):
    assert wordy in languages_written(Models([]))


def test_a_script_that_nobody_reads_is_told_those_that_models_do(models, wordy):
    with pytest.raises(UserError, match="Devanagari") as caught:
        language_of("Жила-была птица", "hindi", written=languages_written(models))
    assert "Cherokee" not in str(caught.value)


def test_the_page_offers_it_where_no_model_is_asked(models, wordy, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYSTORIES_DATA", str(tmp_path / "data"))
    from spaces.page import build_page
    from spaces.quota import Quota

    page = build_page(models, Quota())
    offered = {part.elem_id: [name for _, name in part.choices] for part in page.blocks.values() if hasattr(part, "choices")}
    for tab in ("", "compare-", "tokens-"):
        assert offered[f"{tab}language"] == ["hindi", "bangla"]
    for tab in ("prompts-", "judge-"):
        assert wordy in offered[f"{tab}language"]
