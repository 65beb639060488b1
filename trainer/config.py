"""What a training run is told: one dataclass, filled from YAML and from `--field value` on the command line."""

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from backend.errors import UserError


@dataclass
class TrainConfig:
    """All settings of a run. Sizes are in tokens or parameters, learning rates per optimizer step."""

    data: str = "out/tokens"
    out: str = "out/run"
    resume: str = "auto"  # auto: the newest checkpoint in `out`, if any; none; a checkpoint folder; a Hub id
    init_from: str = ""  # weights of a checkpoint or model folder, with a fresh optimizer

    hidden_size: int = 256
    n_layers: int = 6
    n_heads: int = 4
    intermediate_size: int = 768
    tie_embeddings: bool = True
    rope_theta: float = 10000.0
    block_size: int = 512
    whole_documents: bool = True  # rows of whole stories; false: cut anywhere, as nanoGPT does
    document_attention: bool = True  # attention stays within a story

    max_steps: int = 1000
    batch_size: int = 8  # windows of block_size tokens a device and micro-step
    gradient_accumulation: int = 1
    optimizer: str = "muon"  # muon: Muon for matrices, AdamW for the rest; adamw: AdamW alone
    learning_rate: float = 0.016  # AdamW's
    matrix_learning_rate: float = 0.01  # Muon's
    newton_schulz_steps: int = 5  # of Muon: fewer are cheaper and less exact
    weight_decay: float = 0.1
    warmup_steps: int = 20
    decay_share: float = 0.5  # the last part of the run, over which the rate falls linearly to zero
    schedule: str = "trapezoid"  # trapezoid or cosine
    max_gradient_norm: float = 1.0
    mixed_precision: str = "bf16"  # bf16 or no
    compile: bool = False
    threads: int = 0  # CPU threads a process; 0: its share of the cores

    seed: int = 0
    eval_every: int = 100
    eval_batches: int = 16
    save_every: int = 500
    keep_checkpoints: int = 2
    samples: int = 2  # stories sampled at each evaluation
    trackers: str = ""  # wandb, tensorboard or trackio, through accelerate
    push_to_hub: str = ""  # ORG/NAME; every checkpoint is pushed in the background


FIELDS = tuple(field.name for field in dataclasses.fields(TrainConfig))


def load_config(path: Path | str, overrides: list[str]) -> TrainConfig:
    """Read a YAML file and apply `--field value` overrides.

    Raises UserError for an unknown field, with the nearest right one, or a value of the wrong type.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no config {path}; trainer/configs/ holds examples.")
    try:
        written = OmegaConf.load(path)
        given = OmegaConf.from_dotlist(_pairs(overrides))
        for key in [*written, *given]:
            if key not in FIELDS:
                raise UserError(f"'{key}' is no setting of a training run{_nearest(key)}.")
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TrainConfig), written, given))
    except ConfigKeyError as error:
        raise UserError(f"{path}: {error}.") from None
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} with {' '.join(overrides) or 'no overrides'}: {reason}.") from None


def save_config(config: TrainConfig, path: Path) -> None:
    """Write the resolved settings as YAML."""
    OmegaConf.save(OmegaConf.structured(config), path)


def _pairs(overrides: list[str]) -> list[str]:
    pairs, rest = [], list(overrides)
    while rest:
        key = rest.pop(0)
        if not key.startswith("--"):
            raise UserError(f"'{key}' is not an override; overrides look like --max_steps 1000.")
        key, equals, value = key[2:].replace("-", "_").partition("=")
        if not equals:
            if not rest:
                raise UserError(f"--{key} lacks its value; overrides look like --max_steps 1000.")
            value = rest.pop(0)
        pairs.append(f"{key}={value}")
    return pairs


def _nearest(key: str) -> str:
    close = difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(FIELDS)}"
