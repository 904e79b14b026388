"""Masks in a two-process DistributedDataParallel loop (gloo), against the same loop in one process."""

import os
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import prunelab as pl

STEPS, HALF = 6, 8


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 3))


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(2 * HALF, 10, generator=generator), torch.randint(0, 3, (2 * HALF,), generator=generator)


def train(model: nn.Module, masks: pl.Masks, part: slice) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    masks.attach(optimizer)
    for step in range(STEPS):
        if step == STEPS // 2:
            masks.prune(quality=1.2)
        x, y = (t[part] for t in batch(step))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        assert masks.zeros_hold()


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    model = network()
    masks = pl.Masks(model)
    masks.prune(quality=0.8)
    train(DistributedDataParallel(model), masks, slice(rank * HALF, (rank + 1) * HALF))
    save_file({name: p.detach() for name, p in model.named_parameters()}, f"{folder}/{rank}.safetensors")
    dist.destroy_process_group()
    # A gloo thread that still holds the last gradients aborts the process when the interpreter ends under it: see
    # pytorch/pytorch#179291. Python's end is no subject here, so it is left out.
    os._exit(0)


def test_two_processes_take_the_steps_of_one(tmp_path: Path):
    mp.spawn(worker, args=(str(tmp_path),), nprocs=2, join=True)
    model = network()
    masks = pl.Masks(model)
    masks.prune(quality=0.8)
    train(model, masks, slice(None))
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    for name, parameter in model.named_parameters():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], parameter.detach(), rtol=1e-5, atol=1e-6)
