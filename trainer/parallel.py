"""Several processes: parameters sharded by FSDP2, and Muon's work shared out.

Sharding is asked for by accelerate's own configuration (`distributed_type: FSDP`), but done here by PyTorch, since
accelerate itself shards on GPUs alone: so the same code runs under gloo on CPUs, where it is tested, and under NCCL.
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Muon, Optimizer
from torch.optim._muon import _adjust_lr, _zeropower_via_newtonschulz


def sharding_is_asked_for() -> bool:
    """Whether accelerate's launcher was told FSDP; taken from the environment, so that accelerate leaves it to us."""
    return os.environ.pop("ACCELERATE_USE_FSDP", "false").lower() == "true"


def shard(model: nn.Module, blocks: nn.ModuleList, device_type: str) -> None:
    """FSDP2: each block a unit, the rest another one. In place."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device_type, (dist.get_world_size(),))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def whole(value: Tensor) -> Tensor:
    """A sharded tensor put together, which all processes must ask for; any other as it is."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def sharded_like(value: Tensor, pattern: Tensor) -> Tensor:
    """This process's part of a whole tensor, sharded as `pattern` is; all processes hold the whole."""
    if not isinstance(pattern, DTensor) or value.shape != pattern.shape:
        return value
    return distribute_tensor(value.to(pattern.device), pattern.device_mesh, pattern.placements, src_data_rank=None)


def whole_state(optimizer: Optimizer) -> dict:
    """The state dict of an optimizer with no tensor sharded, the same for any number of processes."""
    state = optimizer.state_dict()
    parts = {
        index: {name: whole(value) if torch.is_tensor(value) else value for name, value in values.items()}
        for index, values in state["state"].items()
    }
    return state | {"state": parts}


def load_whole_state(optimizer: Optimizer, state: dict) -> None:
    """The opposite of `whole_state`, whatever the number of processes is now."""
    optimizer.load_state_dict(state)
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if torch.is_tensor(value):
                values[name] = sharded_like(value, parameter)


class SharedMuon(Muon):
    """torch.optim.Muon, the orthogonalisation shared out: each process does some of the matrices, whole, for all.

    Steps are those of one process, for replicated parameters and for sharded ones.
    """

    @torch.no_grad()
    def step(self, closure=None):
        """One step; every process must take part."""
        for group in self.param_groups:
            self._step_group(group)

    def _step_group(self, group: dict) -> None:
        parameters, gradients, buffers = [], [], []
        self._init_group(group, parameters, gradients, buffers)
        updates = []
        for gradient, buffer in zip(gradients, buffers, strict=True):
            buffer.lerp_(gradient, 1 - group["momentum"])
            updates.append(whole(gradient.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer))
        owners = share_out([update.numel() * min(update.shape) for update in updates], dist.get_world_size())
        sent = []
        for owner in range(dist.get_world_size()):
            owned = [index for index, who in enumerate(owners) if who == owner]
            if not owned:
                continue
            if owner == dist.get_rank():
                settings = group["ns_coefficients"], group["ns_steps"], group["eps"]
                flat = torch.cat([_zeropower_via_newtonschulz(updates[i], *settings).flatten() for i in owned])
            else:
                size = sum(updates[i].numel() for i in owned)
                flat = torch.empty(size, dtype=torch.bfloat16, device=updates[0].device)
            # As bytes: not every backend carries bf16, and nothing is added up here.
            sent.append((owned, flat, dist.broadcast(flat.view(torch.uint8), owner, async_op=True)))
        for owned, flat, work in sent:
            work.wait()
            for index, update in zip(owned, flat.split([updates[i].numel() for i in owned]), strict=True):
                parameter = parameters[index]
                rate = _adjust_lr(group["lr"], group["adjust_lr_fn"], parameter.shape)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(sharded_like(update.view(parameter.shape), parameter), alpha=-rate)


def share_out(costs: list[int], shares: int) -> list[int]:
    """Which share each item goes to, the largest first into the lightest."""
    loads, chosen = [0] * shares, [0] * len(costs)
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        lightest = loads.index(min(loads))
        chosen[index] = lightest
        loads[lightest] += costs[index]
    return chosen
