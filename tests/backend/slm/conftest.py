import pytest

from backend.slm.engine import load_engine
from tests.backend.slm.random_models import SIZES, write_random_model


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYSTORIES_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("random-models")
    sizes = {kind: 1021 if kind == "llama-uneven" else 1024 for kind in SIZES if kind != "qwen3-slow"}
    return {kind: write_random_model(root / kind, kind, vocab_size) for kind, vocab_size in sizes.items()}


@pytest.fixture(scope="session")
def engine(folders):
    engine = load_engine(folders["qwen3"])
    yield engine
    engine.close()
