"""Models of the Hub: named, bounded before they are fetched, pinned, the paper's checkpoints converted."""

import gzip
import json
import os
import subprocess
import sys

import pytest

from backend.slm.downloads import HubName, read_name
from tests.app_server import ROOT
from tests.hub_server import SHA, hub_server

TELL = """
import json, sys
from backend.errors import UserError
from backend.slm.catalog import resolve
from backend.slm.engine import load_engine
from backend.slm.sampling import Sampling
seen = []
try:
    folder = resolve(sys.argv[1], local=False, report=lambda come, total: seen.append(come / total))
    engine = load_engine(folder.path)
    told = engine.complete_many(["A"], Sampling(max_tokens=8, finish_sentence=False))[0].tokens
    engine.close()
    print(json.dumps({"revision": folder.revision, "told": told, "seen": seen, "languages": folder.languages, "words": (folder.path / "words.txt.gz").exists()}))
except UserError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture(scope="module")
def hub(folders):
    with hub_server() as hub:
        hub.add_folder("TinyStories-Regional/noise", folders["qwen3-tied"])
        hub.add_folder("TinyStories-Regional/sarvam", folders["gpt2"])
        hub.repos["sarvamai/sarvam-1"] = {
            name: content for name, content in hub.repos["TinyStories-Regional/sarvam"].items() if name.startswith("token")
        }
        yield hub


def ask(hub, name, tmp_path, **environment):
    settings = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path), "TINYSTORIES_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", TELL, name]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", HubName("org/name")), (" org/na.me-2 ", HubName("org/na.me-2")), ("org/name@v1", HubName("org/name", "v1")),
        ("https://huggingface.co/org/name/", HubName("org/name")),
        ("huggingface.co/org/name#files", HubName("org/name")), ("http://hf.co/org/name?x=1", HubName("org/name")),
        ("https://huggingface.co/org/name/tree/main", HubName("org/name", "main")),
        ("org/name/ckpt_sarvam_54M_val=0.518_[2M]_[l=6, h=8, e=512].pt", HubName("org/name", None, "ckpt_sarvam_54M_val=0.518_[2M]_[l=6, h=8, e=512].pt")),
        ("https://huggingface.co/org/name/blob/main/a%20b.pt?download=true", HubName("org/name", "main", "a b.pt")),
        ("nothing", None), ("../../etc", None), ("https://example.com/x/y", None), ("a b/c", None), ("", None),
    ],
)  # fmt: skip
def test_names_that_visitors_type(text, expected):
    assert read_name(text) == expected


def test_a_stock_model_is_fetched_pinned_and_told_from(hub, tmp_path):
    answer = ask(hub, "TinyStories-Regional/noise", tmp_path)
    assert answer["revision"] == SHA
    assert answer["told"] > 0
    assert answer["seen"] == sorted(answer["seen"])
    assert answer["seen"][-1] == 1
    assert not answer["words"]


def test_its_list_of_words_comes_with_it(hub, tmp_path):
    noise = hub.repos["TinyStories-Regional/noise"]
    hub.repos["TinyStories-Regional/worded"] = noise | {"words.txt.gz": gzip.compress(b"the\na\n")}
    assert ask(hub, "TinyStories-Regional/worded", tmp_path)["words"]


def test_a_checkpoint_of_the_paper_is_converted_with_its_tokenizer(hub, folders, tmp_path):
    import torch
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folders["gpt2"])
    transposed = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    state = {k: v.T.contiguous() if k.endswith(transposed) else v for k, v in model.state_dict().items()}
    name = "ckpt_sarvam_1M_val=9.9_[2M]_[l=3, h=4, e=128].pt"
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": state}, path)
    hub.repos["TinyStories-Regional/paper"] = {name: path.read_bytes(), "ckpt_other.pt": b"x"}
    assert ask(hub, f"TinyStories-Regional/paper/{name}", tmp_path)["told"] > 0
    assert "whole name" in ask(hub, "TinyStories-Regional/paper", tmp_path)["error"]
    assert "does not name its tokenizer" in ask(hub, "TinyStories-Regional/paper/ckpt_other.pt", tmp_path)["error"]


def test_what_may_not_or_cannot_be_had_is_said_before_anything_is_fetched(hub, tmp_path):
    hub.asked.clear()
    assert "loads from TinyStories-Regional" in ask(hub, "somebody/else", tmp_path)["error"]
    assert "check its name" in ask(hub, "TinyStories-Regional/nothing", tmp_path)["error"]
    hub.repos["TinyStories-Regional/empty"] = {"README.md": b"#"}
    assert "has no safetensors" in ask(hub, "TinyStories-Regional/empty", tmp_path)["error"]
    assert hub.asked == []
    assert "the network" in ask(hub, "TinyStories-Regional/noise", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")["error"]


def test_a_model_that_is_too_large_is_not_fetched(hub, tmp_path, monkeypatch):
    from backend.errors import UserError
    from backend.slm import downloads

    monkeypatch.setattr(downloads, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="at most"):
        downloads._bound(HubName("a/b"), 1001)
