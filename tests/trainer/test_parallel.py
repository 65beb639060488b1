"""Two processes train as one does at the same global batch, and leave the same checkpoint."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file

from tests.trainer.small_runs import ROOT, environment, rows, settings, train
from trainer.checkpoint import checkpoints
from trainer.config import load_config

COMMON = {"mixed_precision": "no", "max_steps": 8, "tie_embeddings": False, "warmup_steps": 0, "export": False}
# The same eight rows a step, and the same sixteen for an evaluation.
WHOLE = {"batch_size": 8, "gradient_accumulation": 1, "eval_batches": 2}
PARTS = {"batch_size": 4, "gradient_accumulation": 2, "eval_batches": 4}
CONFIGS = ROOT / "trainer" / "configs" / "accelerate"


def launch(accelerate_config, config_file, more=("--main_process_port", "0"), **fields):
    line = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / accelerate_config)]
    line += ["--num_processes", "2", "--mixed_precision", "no", *more]
    line += [str(ROOT / "trainer" / "train.py"), str(config_file), *settings(**fields)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, env=environment(OMP_NUM_THREADS="1"))


@pytest.fixture(scope="module")
def alone(tokens, config_file, tmp_path_factory):
    """One process with a global batch of eight rows, once in one piece and once in two."""
    out = tmp_path_factory.mktemp("alone")
    for name, sizes in (("whole", WHOLE), ("parts", PARTS)):
        fields = COMMON | {"data": tokens, "out": out / name}
        assert train(load_config(config_file, settings(**fields | sizes)))
    return out


def losses(run):
    return [row[name] for row in rows(run) for name in ("loss", "val_loss") if name in row]


def assert_same_run(run, other):
    # Muon orthogonalises in bf16, which makes much of the last digits of a sum: exact at first, near later.
    ours, theirs = losses(run), losses(other)
    torch.testing.assert_close(ours[:1], theirs[:1], rtol=1e-5, atol=0)
    torch.testing.assert_close(ours, theirs, rtol=5e-3, atol=0)


def test_accumulated_gradients_are_those_of_the_whole_batch(alone):
    assert_same_run(alone / "parts", alone / "whole")


@pytest.mark.parametrize(
    ("accelerate_config", "sizes"),
    [
        ("one_node.yaml", {"batch_size": 4, "gradient_accumulation": 1, "eval_batches": 4}),
        ("fsdp2.yaml", {"batch_size": 2, "gradient_accumulation": 2, "eval_batches": 8}),
    ],
)
def test_two_processes_are_as_one(accelerate_config, sizes, alone, tokens, config_file, tmp_path):
    out = tmp_path / "run"
    fields = COMMON | {"data": tokens} | sizes
    done = launch(accelerate_config, config_file, out=out, **fields)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert_same_run(out, alone / "whole")
    assert [path.name for path in checkpoints(out)] == ["checkpoint-8"]
    # What the processes saved together, one process goes on from, and the other way round.
    more = fields | {"max_steps": 10, "resume": checkpoints(out)[0]}
    assert train(load_config(config_file, settings(**more | WHOLE | {"out": tmp_path / "one"})))
    more["resume"] = checkpoints(alone / "whole")[0]
    done = launch(accelerate_config, config_file, out=tmp_path / "two", **more)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert [row["step"] for row in rows(tmp_path / "two") if "loss" in row] == [9, 10]
    torch.testing.assert_close(losses(tmp_path / "one"), losses(tmp_path / "two"), rtol=2e-2, atol=0)


def test_two_launches_as_on_two_machines_are_as_one_process(alone, tokens, config_file, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    fields = COMMON | {"data": tokens, "out": tmp_path, "batch_size": 4, "gradient_accumulation": 1, "eval_batches": 4}
    where = ("--num_machines", "2", "--main_process_ip", "127.0.0.1", "--main_process_port", port, "--machine_rank")
    with ThreadPoolExecutor(2) as pool:
        machines = [pool.submit(launch, "many_nodes.yaml", config_file, (*where, rank), **fields) for rank in ("0", "1")]
    for machine in machines:
        assert machine.result().returncode == 0, machine.result().stderr
    assert_same_run(tmp_path, alone / "whole")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_knows_all_that_a_launchers_file_says(path):
    launcher = load_config_from_file(str(path))
    assert launcher.mixed_precision == "bf16"
    assert launcher.num_processes % launcher.num_machines == 0


MUON = """
import sys, torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from torch.optim import Muon
from trainer.parallel import SharedMuon, load_whole_state, whole, whole_state

dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
dice = torch.Generator().manual_seed(0)
shapes = [(8, 8), (6, 20), (20, 6), (5, 3), (1, 7)]
values = [torch.randn(shape, generator=dice) for shape in shapes]
settings = {"lr": 0.02, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
for place in (lambda value: value.clone(), lambda value: distribute_tensor(value, mesh, [Shard(0)])):
    plain = [torch.nn.Parameter(value.clone()) for value in values]
    shared = [torch.nn.Parameter(place(value)) for value in values]
    optimizers = Muon(plain, **settings), SharedMuon(shared, **settings)
    for step in range(4):
        for ours, theirs in zip(shared, plain):
            theirs.grad = torch.randn(theirs.shape, generator=dice)
            ours.grad = place(theirs.grad)
        for optimizer in optimizers:
            optimizer.step()
        if step == 1:  # the state goes over to a new optimizer
            renewed = SharedMuon(shared, **settings)
            load_whole_state(renewed, whole_state(optimizers[1]))
            optimizers = optimizers[0], renewed
        for ours, theirs in zip(shared, plain):
            assert torch.equal(whole(ours.detach()), theirs), (step, theirs.shape)
dist.barrier()  # who leaves first takes the connections of the other with him
dist.destroy_process_group()
"""


def test_muon_of_two_processes_is_muon_to_the_bit(tmp_path):
    script = tmp_path / "muon.py"
    script.write_text(MUON, "utf-8")
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    path = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=environment(**path))
    assert done.returncode == 0, (done.returncode, done.stderr)
