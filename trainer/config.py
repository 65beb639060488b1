"""What a training run is told: one dataclass, filled from YAML and from `--field value` on the command line."""

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path

import yaml
from omegaconf import ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backend.errors import UserError
from backend.files import writing


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
    adam_beta1: float = 0.9  # AdamW's memory of gradients: lower for a run of few steps
    matrix_learning_rate: float = 0.01  # Muon's
    muon_momentum: float = 0.95  # likewise
    newton_schulz_steps: int = 5  # of Muon: fewer are cheaper and less exact
    weight_decay: float = 0.1
    warmup_steps: int = 20
    decay_share: float = 0.5  # the last part of the run, over which the rate falls linearly to zero
    schedule: str = "trapezoid"  # trapezoid or cosine
    max_gradient_norm: float = 1.0  # longer ones are clipped to it; 0: none is
    mixed_precision: str = "bf16"  # bf16 or no
    compile: bool = False
    threads: int = 0  # CPU threads a process; 0: its share of the cores

    seed: int = 0
    eval_every: int = 100
    eval_batches: int = 16
    save_every: int = 500
    keep_checkpoints: int = 2  # the newest so many
    keep_best: int = 1  # and so many with the lowest validation loss, saved when they are evaluated; 0: none
    export: bool = True  # write the model folder `final` at the end
    samples: int = 2  # stories sampled at each evaluation
    trackers: str = ""  # wandb, tensorboard or trackio, through accelerate
    push_to_hub: str = ""  # ORG/NAME; every checkpoint is pushed in the background


FIELDS = tuple(field.name for field in dataclasses.fields(TrainConfig))
CHOICES = {
    "optimizer": ("muon", "adamw"),
    "schedule": ("trapezoid", "cosine"),
    "mixed_precision": ("bf16", "no"),
    "trackers": ("", "wandb", "tensorboard", "trackio"),
}
LEAST = {
    "hidden_size": 2, "n_layers": 1, "n_heads": 1, "intermediate_size": 1, "block_size": 2, "max_steps": 1,
    "batch_size": 1, "gradient_accumulation": 1, "newton_schulz_steps": 1, "eval_every": 1, "eval_batches": 1,
    "save_every": 1, "keep_checkpoints": 1, "keep_best": 0, "learning_rate": 0, "matrix_learning_rate": 0,
    "adam_beta1": 0, "muon_momentum": 0, "weight_decay": 0, "warmup_steps": 0, "decay_share": 0, "max_gradient_norm": 0,
    "threads": 0, "samples": 0, "seed": 0, "rope_theta": 1,
}  # fmt: skip


def load_config(path: Path | str, overrides: list[str]) -> TrainConfig:
    """Read a YAML file and apply `--field value` overrides.

    Raises UserError for an unknown field or choice, with the nearest right one, or a value that makes no sense.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no config {path}; trainer/configs/ holds examples.")
    try:
        written = OmegaConf.load(path)
        given = OmegaConf.from_dotlist(_pairs(overrides))
        if isinstance(written, ListConfig):
            raise UserError(f"{path} holds a list; a config is lines of the form 'max_steps: 1000'.")
        for key in [*written, *given]:
            if key not in FIELDS:
                raise UserError(f"'{key}' is no setting of a training run{_nearest(str(key), FIELDS)}.")
        for source in (written, given):
            if source.get("mixed_precision") is False:  # YAML's reading of a bare no
                source["mixed_precision"] = "no"
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TrainConfig), written, given))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is no YAML file that can be read ({' '.join(str(error).split())}).") from None
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        at = f" at {error.full_key}" if getattr(error, "full_key", None) else ""
        raise UserError(f"{path} with {' '.join(overrides) or 'no overrides'}{at}: {reason}.") from None
    check(config)
    return config


def check(config: TrainConfig) -> None:
    """Raises UserError for a value that no run can have."""
    for name, choices in CHOICES.items():
        value = getattr(config, name)
        if value not in choices:
            raise UserError(f"{name} '{value}' is none of {', '.join(filter(None, choices))}{_nearest(value, choices, '')}.")
    for name, least in LEAST.items():
        value = getattr(config, name)
        if not least <= value < float("inf"):
            raise UserError(f"{name} is {value}, but must be a number from {least} up.")
    for name in ("adam_beta1", "muon_momentum"):
        if getattr(config, name) >= 1:
            raise UserError(f"{name} is {getattr(config, name)}, but must be below 1.")
    if config.decay_share > 1:
        raise UserError(f"decay_share is {config.decay_share}, but is a share of the run, from 0 to 1.")
    if config.hidden_size % config.n_heads or (config.hidden_size // config.n_heads) % 2:
        raise UserError(f"n_heads {config.n_heads} must divide hidden_size {config.hidden_size} into even parts.")


def save_config(config: TrainConfig, path: Path) -> None:
    """Write the resolved settings as YAML."""
    with writing(path) as file:
        OmegaConf.save(OmegaConf.structured(config), file)


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


def _nearest(key: str, known: tuple[str, ...], otherwise: str | None = None) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'"
    return f"; there are {', '.join(known)}" if otherwise is None else otherwise
