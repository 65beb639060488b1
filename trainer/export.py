"""A checkpoint to a stock Hugging Face folder, Qwen3ForCausalLM, and a GGUF in it: neither needs code of ours."""

import json
import shutil
import sys
from pathlib import Path

if not __package__:  # run as a script: imports begin at the root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click
import torch
from safetensors.torch import load_file, save_file

from backend.command_line import run
from backend.errors import UserError
from backend.files import writing
from backend.languages import load_language
from backend.slm.gguf import FORMATS, fits_gguf, write_gguf
from backend.tokenizer import load_tokenizer
from trainer.card import Costs, model_card
from trainer.checkpoint import best_checkpoint, newest_checkpoint
from trainer.config import TrainConfig, load_config
from trainer.data import read_meta


def export(
    checkpoint: Path, out: Path, data: Path | None = None, languages: tuple[str, ...] = (), gguf: str | None = None,
    name: str = "", costs: Costs | None = None,
) -> Path:  # fmt: skip
    """Write config, bf16 weights, tokenizer, card and `model.gguf` to `out`. `checkpoint` may be a run's folder.

    `languages` go into the card, from which the app learns what the model writes, and so do its `name`, which is that
    of `out` unless given, and what the training cost. `gguf` is F16, Q8_0, or none; not given, it is F16 if GGUF has a name for the tokenizer.
    """
    codes = [load_language(name).code for name in languages]
    checkpoint = newest_checkpoint(checkpoint)
    config = load_config(checkpoint / "config.yaml", [])
    data = data or Path(config.data)
    meta = read_meta(data)
    tokenizer = load_tokenizer(data / "tokenizer")
    temporary = out.with_name(f".{out.name}.writing")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    state = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(checkpoint / "model.safetensors").items()}
    save_file(state, temporary / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(temporary)
    _write_json(temporary / "config.json", model_config(config, meta))
    generation = {"bos_token_id": meta["bos_id"], "eos_token_id": meta["eos_id"], "do_sample": True}
    _write_json(temporary / "generation_config.json", generation | {"temperature": 0.6, "top_k": 15})
    (temporary / "README.md").write_text(model_card(config, meta, checkpoint, name or out.name, codes, costs), "utf-8")
    curves = checkpoint.parent / "curves.png"
    if curves.exists():
        shutil.copy(curves, temporary / "curves.png")
    gguf = gguf or ("F16" if fits_gguf(temporary) else "none")
    if gguf != "none":
        write_gguf(temporary, temporary / "model.gguf", gguf)
    shutil.rmtree(out, ignore_errors=True)
    temporary.rename(out)
    return out


def model_config(config: TrainConfig, meta: dict) -> dict:
    """`config.json` of a Qwen3 with these sizes."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": meta["vocab_size"],
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_heads,
        "head_dim": config.hidden_size // config.n_heads,
        "hidden_act": "silu",
        "max_position_embeddings": config.block_size,
        "rms_norm_eps": 1e-6,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": config.tie_embeddings,
        "attention_bias": False,
        "use_sliding_window": False,
        "bos_token_id": meta["bos_id"],
        "eos_token_id": meta["eos_id"],
        "dtype": "bfloat16",
    }


def _write_json(path: Path, value: dict) -> None:
    with writing(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=2)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="the folder of tokens, when it has moved")
@click.option("--language", "languages", multiple=True, help="that the model writes, for its card; may be given again")
@click.option("--gguf", type=click.Choice([*FORMATS, "none"]), help="for llama.cpp and the like  [default: F16 where they know the tokenizer]")
@click.option("--best", is_flag=True, help="of a run: the checkpoint of the lowest validation loss, not the newest")
@click.option("--price", type=float, default=0.0, help="of an hour of the machine, for the card's line of costs")
@click.option("--watts", type=float, default=0.0, help="that the machine draws, for the energy on the card")
@click.option("--carbon", type=float, default=0.0, help="grams of CO2 a kWh where it stands, for the card")
@click.option("--push", help="ORG/NAME on the Hub")
def main(
    checkpoint: Path, out: Path, data: Path | None, languages: tuple[str, ...], gguf: str | None, best: bool, price: float,
    watts: float, carbon: float, push: str | None,
) -> None:  # fmt: skip
    """Export a checkpoint, or the newest of a run, as a Hugging Face model folder."""
    if best:
        checkpoint = best_checkpoint(checkpoint)
    if out.exists() and not (out / "config.json").exists():
        raise UserError(f"{out} exists and is no model folder; choose another --out, nothing was written.")
    if push:
        from backend.hub import require_token, upload_folder

        require_token(push)
    costs = Costs(price, watts, carbon)
    click.echo(f"{export(checkpoint, out, data, languages, gguf, costs=costs)} is a model folder of transformers.")
    if push:
        click.echo(upload_folder(out, push, "model"))


if __name__ == "__main__":
    run(main)
