"""An exported folder says the same in every program that reads it."""

import re
from pathlib import Path

import ctranslate2
import openvino
import openvino_genai
import pytest
import torch
import xllamacpp
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.slm.engine import load_engine
from backend.slm.sampling import Sampling
from tests.trainer.small_runs import call, settings, train
from trainer.checkpoint import checkpoints, load_weights
from trainer.config import load_config
from trainer.data import read_meta
from trainer.model import build_model
from trainer.plan import device_name
from trainer.watch import read_metrics

OPENING = "Story 7. sun moon"
NEW_TOKENS = 24


@pytest.fixture(scope="module", params=["tied", "untied"])
def run(request, tokens, config_file, tmp_path_factory):
    """A run whose sizes fit every reader: a multiple of 32 for quantised blocks."""
    out = tmp_path_factory.mktemp("run") / "run"
    sizes = {
        "hidden_size": 64, "intermediate_size": 128, "n_layers": 2, "n_heads": 2, "max_steps": 40, "eval_every": 20,
        "save_every": 20, "tie_embeddings": request.param == "tied",
    }  # fmt: skip
    assert train(load_config(config_file, settings(data=tokens, out=out, **sizes)))
    return out


@pytest.fixture(scope="module")
def ids(run):
    """The opening's token ids, bos first."""
    tokenizer = AutoTokenizer.from_pretrained(run / "final")
    found = tokenizer(OPENING)["input_ids"]
    assert found[0] == tokenizer.bos_token_id
    return found


@pytest.fixture(scope="module")
def transformers_model(run):
    return AutoModelForCausalLM.from_pretrained(run / "final", dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def greedy(transformers_model, ids):
    """What transformers writes greedily after the opening, eos a token like any other; and with eos ruled out."""
    eos = transformers_model.generation_config.eos_token_id
    written = {}
    for name, ruled_out in (("any", []), ("no eos", [eos])):
        row = list(ids)
        for _ in range(NEW_TOKENS):
            with torch.no_grad():
                logits = transformers_model(torch.tensor([row])).logits[0, -1]
            logits[ruled_out] = float("-inf")
            row.append(int(logits.argmax()))
        written[name] = row[len(ids) :]
    return written


def test_transformers_computes_our_logits(run, transformers_model, ids):
    checkpoint = checkpoints(run)[-1]
    config = load_config(checkpoint / "config.yaml", [])
    ours = build_model(config, read_meta(Path(config.data))["vocab_size"]).eval()
    load_weights(ours, checkpoint)
    for parameter in ours.parameters():  # the export is in bf16
        parameter.data = parameter.data.bfloat16().float()
    with torch.no_grad():
        torch.testing.assert_close(ours(torch.tensor([ids])), transformers_model(torch.tensor([ids])).logits, rtol=1e-4, atol=1e-4)


def test_the_app_tells_the_same(run, greedy, transformers_model, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYSTORIES_CACHE", str(tmp_path))
    engine = load_engine(run / "final")
    try:
        sampling = Sampling(temperature=0, max_tokens=NEW_TOKENS, finish_sentence=False)
        told = engine.complete_many([OPENING], sampling)[0].text
    finally:
        engine.close()
    tokenizer = AutoTokenizer.from_pretrained(run / "final")
    with torch.no_grad():
        written = transformers_model.generate(**tokenizer(OPENING, return_tensors="pt"), max_new_tokens=NEW_TOKENS, do_sample=False)
    expected = tokenizer.decode(written[0], skip_special_tokens=True)[len(OPENING) :]
    # The app serves eight-bit weights, so a late choice between equals may differ.
    assert told[: len(expected) // 2] == expected[: len(expected) // 2]


def test_openvino_reads_the_gguf(run, ids, greedy):
    pipeline = openvino_genai.ContinuousBatchingPipeline(
        str(run / "final" / "model.gguf"), openvino_genai.SchedulerConfig(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    sampling = openvino_genai.GenerationConfig(max_new_tokens=NEW_TOKENS, do_sample=False, ignore_eos=True)
    handle = pipeline.add_request(0, openvino.Tensor([ids]), sampling)
    while pipeline.has_non_finished_requests():
        pipeline.step()
    assert list(handle.read_all()[0].generated_ids) == greedy["any"]


def test_llama_cpp_reads_the_gguf(run, ids, greedy):
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(run / "final" / "model.gguf")
    parameters.n_ctx, parameters.n_parallel, parameters.cpuparams.n_threads = 128, 1, 1
    parameters.warmup = False
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(parameters)
    answer = server.handle_completions(
        {"prompt": OPENING, "max_tokens": NEW_TOKENS, "temperature": 0, "ignore_eos": True}
    )
    tokenizer = AutoTokenizer.from_pretrained(run / "final")
    assert answer["usage"]["prompt_tokens"] == len(ids)
    assert answer["choices"][0]["text"] == tokenizer.decode(greedy["no eos"])


def test_ctranslate2_converts_the_folder(run, ids, greedy, tmp_path):
    converter = ctranslate2.converters.TransformersConverter(str(run / "final"))
    converter.convert(str(tmp_path / "ct2"))
    generator = ctranslate2.Generator(str(tmp_path / "ct2"), compute_type="float32", intra_threads=1)
    tokenizer = AutoTokenizer.from_pretrained(run / "final")
    written = generator.generate_batch(
        [tokenizer.convert_ids_to_tokens(ids)], max_length=NEW_TOKENS, include_prompt_in_result=False, sampling_topk=1,
        suppress_sequences=[[tokenizer.eos_token]],
    )[0].sequences_ids[0]  # fmt: skip
    assert list(written) == greedy["no eos"]


def test_the_card_says_where_the_model_was_trained_and_what_that_cost(run, tmp_path):
    call("export", run, "--out", tmp_path / "my-model", "--price", 3600, "--watts", 3600000, "--carbon", 500)
    card = (tmp_path / "my-model" / "README.md").read_text("utf-8")
    assert "\n# my-model\n" in card
    seconds = read_metrics(run / "metrics.jsonl")[-1]["seconds"]
    assert f"h on 1 x {device_name(torch.device('cpu')).rpartition(',')[0]}" in card
    told = re.search(r", (\S+) at 3600 an hour, (\S+) kWh at 3.6e\+06 W, (\S+) g of CO2 at 500 g a kWh", card)
    assert told, card
    assert [float(number) for number in told.groups()] == pytest.approx([seconds, seconds, 500 * seconds], rel=0.01)
