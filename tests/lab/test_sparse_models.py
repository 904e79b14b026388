"""A lab of a network that is sparse already, and the notices of what a lab cannot reach."""

import torch
from torch import nn

import prunelab as pl
from support.labs import QUICK, press
from support.own_models import blobs


def network(density: float = 0.5) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    pl.Masks(model).prune(density=density, scope="layer")
    return model


def test_a_sparse_network_starts_at_its_density_and_keeps_its_zeros():
    model = network()
    known = {name: p == 0 for name, p in model.named_parameters() if p.dim() > 1}
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()), trained=True, measure=False)
    assert lab.wait(60) and lab.state.snapshot.density == 0.5 and lab.state.notice is None
    lab.controls["rule"].value, lab.controls["density"].value = "density", 0.4
    press(lab, "prune")
    press(lab, "retrain")
    trained = lab.session.model
    assert all(bool((trained.get_parameter(name)[zero] == 0).all()) for name, zero in known.items())
    assert lab.state.trouble is None and trained is not model
    lab.stop()


def test_masks_go_with_the_copy_of_the_model():
    model = network()
    masks = pl.Masks.from_zeros(model, layers=["0"])
    lab = pl.Lab(QUICK, model=model, data=(blobs(), blobs()), masks=masks, measure=False)
    assert lab.wait(60) and lab.state.trouble is None
    assert list(lab.session.masks) == ["0.weight"] and lab.session.masks.model is lab.session.model is not model
    assert lab.state.snapshot.density == 0.5 and lab.session.masks is not masks
    lab.stop()


class Wordy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc = nn.Embedding(50, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(nn.functional.dropout(self.embed(x).mean(1), 0.4, self.training))


def test_what_a_lab_cannot_reach_is_a_notice_on_the_page():
    x, y = torch.randint(0, 50, (60, 7)), torch.arange(60) % 3
    lab = pl.Lab(QUICK, model=Wordy(), data=((x, y), (x, y)), measure=False)
    assert lab.wait(60) and lab.state.trouble is None
    assert "94.3 % of the 424 weights of Wordy have no mask" in lab.state.notice
    assert "This dropout keeps its rate as connections go: a function in the code of Wordy" in lab.state.notice
    lab.stop()


def test_zeros_that_a_network_begins_with_are_a_notice():
    lab = pl.Lab(QUICK, model=network(0.25), data=(blobs(), blobs()), measure=False)
    assert lab.wait(60) and lab.state.notice.startswith("Weights of zero are taken as cut, and stay zero: 0.weight")
    lab.stop()
