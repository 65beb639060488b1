"""The file for llama.cpp and its kind holds the weights, and says what its readers need."""

import json
import shutil

import numpy as np
import pytest
from gguf import GGUFReader

from backend.errors import UserError
from backend.slm.gguf import fits_gguf, write_gguf
from backend.tokenizer import train_tokenizer


def test_eight_bits_stay_close_to_the_weights(folders, tmp_path):
    write_gguf(folders["qwen3"], tmp_path / "exact.gguf", "F16")
    write_gguf(folders["qwen3"], tmp_path / "small.gguf", "Q8_0")
    assert (tmp_path / "small.gguf").stat().st_size < 0.65 * (tmp_path / "exact.gguf").stat().st_size
    exact = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "exact.gguf").tensors}
    from gguf.quants import dequantize

    for tensor in GGUFReader(tmp_path / "small.gguf").tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        wanted = dequantize(exact[tensor.name].data, exact[tensor.name].tensor_type)
        assert np.abs(values - wanted).max() <= np.abs(wanted).max() / 100


def test_the_file_says_what_other_programs_need(folders, tmp_path):
    write_gguf(folders["qwen3-tied"], tmp_path / "model.gguf")
    fields = {name: field.contents() for name, field in GGUFReader(tmp_path / "model.gguf").fields.items()}
    config = json.loads((folders["qwen3-tied"] / "config.json").read_text())
    assert fields["general.architecture"] == "qwen3"
    assert fields["tokenizer.ggml.model"] == "gpt2"
    assert fields["tokenizer.ggml.pre"] == "gpt-4o"
    assert len(fields["tokenizer.ggml.tokens"]) == config["vocab_size"]
    assert fields["tokenizer.ggml.eos_token_id"] == config["eos_token_id"]


def test_a_tokenizer_that_gguf_has_no_name_for_is_refused(folders, tmp_path):
    folder = shutil.copytree(folders["qwen3-tied"], tmp_path / "parting")
    train_tokenizer(["राजूने राजूला हाक मारली."], 300, "[ा-ौ]?(?:ने|ला)").save(folder)
    assert fits_gguf(folders["qwen3-tied"])
    assert not fits_gguf(folder)
    with pytest.raises(UserError, match="parting's tokenizer parts words in two steps, for which GGUF has no name"):
        write_gguf(folder, tmp_path / "model.gguf")
