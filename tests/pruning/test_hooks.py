"""Code put into a model from outside: what changes paths unseen is refused by name, what only records is left."""

import types

import pytest
import torch
from torch import nn

from prunelab.errors import WiringError
from prunelab.pruning.effective import trace
from support.wiring import effective_of, ones_of


@pytest.mark.parametrize("place", ["", "0", "1", "2.0"])
def test_a_forward_that_was_put_into_one_module_is_refused_by_name(place):
    """torch.fx looks at the classes: the paths would be those of another network."""
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2)))
    module = model.get_submodule(place)
    module.forward = types.MethodType(lambda self, x: type(self).forward(self, x) + x.mean(), module)
    with pytest.raises(WiringError, match=f"through {place or 'Sequential'}, whose forward was replaced, is not known"):
        trace(model, torch.rand(2, 4))


def scaled_in_place(module, args, output):
    output.mul_(2)


CHANGING = {  # a hook, and how it is registered
    "mixes": (lambda module, args, output: output + output.mean(1, keepdim=True), "register_forward_hook", {}),
    "in place": (scaled_in_place, "register_forward_hook", {}),
    "by name": (lambda m, args, kwargs, output: output.flip(1), "register_forward_hook", {"with_kwargs": True}),
    "before": (lambda module, args: args[0].flip(1), "register_forward_pre_hook", {}),
    "a tuple before": (lambda module, args: (args[0].flip(1),), "register_forward_pre_hook", {}),
    "both before": (
        lambda module, args, kwargs: ((args[0].flip(1),), kwargs),
        "register_forward_pre_hook",
        {"with_kwargs": True},
    ),
}


@pytest.mark.parametrize("place", ["", "0", "1", "2.0"])
@pytest.mark.parametrize("kind", CHANGING)
def test_a_forward_hook_that_changes_activations_is_refused_by_name(kind, place):
    """torch.fx takes these modules as a whole: the paths would be those without the hook."""
    hook, register, options = CHANGING[kind]
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2)))
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.1, 1)  # a ReLU that lets nothing through would leave hooks nothing to change
    handle = getattr(model.get_submodule(place), register)(hook, **options)
    words = f"through {place or 'Sequential'}, whose activations are changed by a forward hook, is not known"
    with pytest.raises(WiringError, match=words):
        trace(model, torch.rand(2, 4))
    handle.remove()
    trace(model, torch.rand(2, 4))


@pytest.mark.parametrize("place", ["", "0", "1", "2", "2.0"])
@pytest.mark.parametrize("returns", [lambda x: None, lambda x: x, lambda x: x.clone()])
def test_a_forward_hook_that_only_records_leaves_the_paths_as_they_are(returns, place):
    model, seen = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2))), []
    masks = ones_of(model)
    masks["0.weight"][1:] = False
    expected = effective_of(model, torch.rand(2, 4), masks)

    def record(module, args, output):
        seen.append(output)
        return returns(output)

    module = model.get_submodule(place)
    module.register_forward_hook(record)
    module.register_forward_pre_hook(lambda module, args: seen.append(args))
    wiring = trace(model, torch.rand(2, 4))
    count = len(seen)
    assert wiring.effective(masks) == expected and expected.kept == 6
    assert len(seen) == count, "paths are no activations"
    assert len(module._forward_hooks) == len(module._forward_pre_hooks) == 1


def test_a_hook_on_a_block_belongs_to_its_paths():
    """Beside the block: a path from each input to each output, though the block is cut through."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 2))
    model[1].register_forward_hook(lambda module, args, output: output + args[0])
    masks = ones_of(model)
    masks["1.0.weight"][:] = False
    assert {n: layer.kept for n, layer in effective_of(model, torch.rand(2, 3), masks).layers.items()} == {
        "0.weight": 9, "1.0.weight": 0, "2.weight": 6,
    }  # fmt: skip
