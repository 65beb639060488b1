"""Which models there are, who may load what, and what stays in memory."""

import threading

import pytest

from backend.errors import UserError
from backend.slm.catalog import ModelFolder, models_in, resolve
from backend.slm.sampling import Sampling
from backend.slm.shelf import Models
from tests.backend.slm.random_models import write_random_model

SHORT = Sampling(max_tokens=12)


def test_a_card_names_the_languages(tmp_path):
    write_random_model(tmp_path / "two", "qwen3-tied", languages=("hindi", "bangla"))
    write_random_model(tmp_path / "silent", "qwen3-tied")
    assert {model.name: set(model.languages) for model in models_in(tmp_path)} == {"two": {"hindi", "bangla"}, "silent": set()}
    assert resolve(str(tmp_path / "two")).path == tmp_path / "two"


@pytest.mark.parametrize("name", ["nothing", "../../etc", "", "a b/c", "https://example.com/x/y"])
def test_a_name_that_is_no_model_gets_a_clear_sentence(name):
    with pytest.raises(UserError, match="Hub id"):
        resolve(name)


def test_visitors_cannot_reach_folders_of_the_machine(folders):
    models = Models([])
    with pytest.raises(UserError), models.lend(str(folders["qwen3"])):
        pass


def test_only_allowed_organisations_are_asked_for():
    with pytest.raises(UserError, match="loads from TinyStories-Regional"):
        resolve("somebody/model")


def test_one_load_for_many_who_ask_at_once(folders):
    models = Models([ModelFolder(folders["qwen3"], "a")])
    seen, barrier = set(), threading.Barrier(6)

    def ask():
        barrier.wait()
        with models.lend("a") as engine:
            seen.add(id(engine))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    models.close()
    assert len(seen) == 1


def test_the_longest_unused_goes_when_memory_is_short_but_never_one_in_use(folders):
    models = Models([ModelFolder(folders[kind], kind) for kind in folders], max_bytes=1)
    with models.lend("qwen3") as first:
        with models.lend("llama") as second:
            assert models.loaded("qwen3")
            assert second.complete_many(["A"], SHORT)
        with models.lend("qwen3-tied"):
            assert not models.loaded("llama")
        assert first.complete_many(["A"], SHORT)[0].tokens
    with models.lend("llama"):
        assert not models.loaded("qwen3")
    models.close()


def test_a_model_that_cannot_be_loaded_is_not_kept(tmp_path):
    (tmp_path / "broken").mkdir()
    models = Models([ModelFolder(tmp_path / "broken", "broken")])
    for _ in range(2):
        with pytest.raises(UserError, match="no model folder"), models.lend("broken"):
            pass
