"""What goes together and what stays, across additions, groups, concatenations, norms and ties."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.sparse.compaction.compact import Trimmed, compact
from support.compaction import checked, residual, settle


def test_a_filter_on_both_sides_of_an_addition_goes_only_if_it_is_dead_on_both():
    model = residual()
    model.bn0.bias.data.fill_(-1)
    model.bn0.running_mean.fill_(1)  # relu(-1 - something positive): dead filters say nothing
    model.bn2.bias.data.fill_(-1)
    model.bn2.running_mean.fill_(1)
    model.stem.weight.data[[1, 4]] = 0
    model.two.weight.data[[1, 5]] = 0  # only channel 1 is dead in both
    small = checked(model, torch.randn(2, 3, 8, 8), torch.randn(3, 3, 8, 8))
    # Channel 1 could go, but the grouped convolution behind it has a second group, which would keep all of its own ...
    assert small.compaction.layers["stem.weight"] == Trimmed(0, 8)
    assert "groups of grouped.weight must stay equally wide" in small.compaction.stayed["stem.weight"]
    model.stem.weight.data[5] = 0
    model.two.weight.data[5] = 0  # ... until its counterpart in the other group is dead too
    small = checked(model, torch.randn(2, 3, 8, 8))
    assert small.compaction.layers["stem.weight"] == Trimmed(2, 6)
    assert small.compaction.layers["two.weight"] == Trimmed(2, 6)
    assert small.bn0.num_features == small.bn2.num_features == small.grouped.in_channels == 6
    # Channel 4 of stem is dead, but two still adds to it.
    words = "what grouped.weight reads in its place depends on the input all the same"
    assert small.compaction.stayed["stem.weight"] == words


def test_what_nobody_reads_goes_through_depthwise_and_grouped_convolutions():
    model = residual()
    model.two.weight.data[:, [0, 7, 9]] = 0  # three of the depthwise channels lead nowhere
    model.head.weight.data[:, 0:8] = 0  # grouped filters 0 and 1 (of group 0)
    model.head.weight.data[:, 28:32] = 0  # and filter 7 (of group 1)
    small = checked(model, torch.randn(2, 3, 8, 8), torch.randn(1, 3, 8, 8))
    assert small.one.out_channels == small.depthwise.groups == small.two.in_channels == 13
    assert small.grouped.out_channels == 10 and small.head.in_features == 40
    assert small.compaction.stayed == {"grouped.weight": "the groups of grouped.weight must stay equally wide"}


def test_a_layer_that_would_lose_all_its_neurons_keeps_one():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)))
    for weight in (model[0].weight, model[2].weight):
        dead = copy.deepcopy(model)
        dict(dead.named_parameters())[next(n for n, p in model.named_parameters() if p is weight)].data.zero_()
        small = checked(dead, torch.randn(6, 4))
        assert small.compaction.layers["0.weight"] == Trimmed(4, 1)
        assert small.compaction.stayed["0.weight"] == "one must stay"
    empty = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Conv2d(4, 2, 1))
    empty[0].weight.data.zero_()
    assert checked(settle(empty), torch.randn(2, 2, 5, 5))[0].out_channels == 2  # one a group


def test_dead_outputs_stay():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Softmax(dim=1))
    model[2].weight.data[1] = 0
    small = checked(model, torch.randn(6, 4))
    assert small[2].out_features == 3
    assert small.compaction.stayed == {"2.weight": "it is an output of the network"}


class Two(nn.Module):
    """A hidden layer that is an output as well."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(x)
        return hidden, self.head(hidden.relu())


def test_a_hidden_layer_that_is_shown_stays():
    torch.manual_seed(0)
    model = Two()
    model.hidden.weight.data[2] = 0
    small = compact(model, x := torch.randn(6, 4))
    for ours, theirs in zip(small(x), model(x), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert small.compaction.stayed == {"hidden.weight": "it is an output of the network"}


class Concatenated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 6, 3), nn.Conv2d(10, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.cat([self.a(x).sigmoid(), self.b(x).sigmoid()], dim=1))


def test_channels_that_are_put_side_by_side():
    torch.manual_seed(0)
    model = Concatenated()
    model.a.weight.data[1] = 0
    model.b.weight.data[2:4] = 0
    model.c.weight.data[:, 9] = 0
    small = checked(model, torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8))
    assert (small.a.out_channels, small.b.out_channels, small.c.in_channels) == (3, 3, 6)


def test_what_a_norm_mixes_stays():
    torch.manual_seed(0)
    for norm in (nn.LayerNorm(6), nn.Softmax(dim=1)):
        model = settle(nn.Sequential(nn.Linear(4, 6), norm, nn.Linear(6, 3)))
        model[0].weight.data[1] = 0
        model[2].weight.data[:, 4] = 0
        small = checked(model, torch.randn(6, 4))
        assert small[0].out_features == 6
        assert list(small.compaction.stayed) == ["0.weight"]


def test_tied_weights_stay_tied():
    torch.manual_seed(0)
    shared = nn.Linear(6, 6)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(6, 2))
    shared.weight.data[:, 3] = 0
    shared.weight.data[2] = 0
    model[0].weight.data[3] = 0
    small = checked(model, torch.randn(5, 4))
    assert small[2] is small[4]
    assert "used more than once" in small.compaction.stayed["0.weight"]


class Rigid(nn.Module):
    """The usual tutorial network: the size before the flat layer is written into the code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc1, self.fc2 = nn.Conv2d(1, 4, 3), nn.Linear(4 * 9, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(torch.relu(self.conv(x)).view(-1, 4 * 9))))


def test_a_size_written_into_the_code_keeps_its_layer_whole_and_no_other():
    torch.manual_seed(0)
    model = Rigid()
    model.conv.weight.data[1] = 0
    model.fc1.weight.data[2] = 0
    small = checked(model, torch.randn(4, 1, 5, 5), torch.randn(2, 1, 5, 5))
    assert (small.conv.out_channels, small.fc1.out_features) == (4, 5)
    assert small.compaction.stayed == {"conv.weight": "the model's code counts on its size"}


def test_transposed_convolutions():
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.ConvTranspose2d(2, 5, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(5, 3, 3)))
    model[0].weight.data[:, 1] = 0  # constant, and may be none
    model[0].bias.data[1] = -1
    model[2].weight.data[3] = 0  # read by nobody
    model[0].weight.data[:, 4] = 0
    model[0].bias.data[4] = 1  # constant that a transposed convolution shows as a pattern
    small = checked(model, torch.randn(2, 2, 4, 4), torch.randn(2, 2, 4, 4))
    assert small[0].out_channels == 3


class Between(nn.Module):
    """Two plain layers, then an operation, and what reads it."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(3, 8, 1), nn.Conv1d(8, 8, 1)
        self.how, self.memory, self.local = how, nn.GRU(8, 8, batch_first=True), nn.Conv1d(1, 1, 3, padding=1)
        self.mixed = nn.Parameter(torch.randn(5, 8))
        self.out = nn.Conv1d({"shuffled": 2, "mixed": 5, "functional": 5}.get(how, 8), 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.b(torch.tanh(self.a(x))))
        match self.how:
            case "shuffled":
                x = F.pixel_shuffle(x[..., None], 2).amax(3)
            case "remembered":
                x = self.memory(x.transpose(1, 2))[0].transpose(1, 2)
            case "weighted":
                x = x * torch.sigmoid(self.local(x.mean(2).unsqueeze(1))).squeeze(1).unsqueeze(2)
            case "mixed":
                x = torch.einsum("nct,dc->ndt", x, self.mixed)
            case "functional":
                x = F.linear(x.transpose(1, 2), self.mixed).transpose(1, 2)
        return self.out(x)


@pytest.mark.parametrize("how", ["shuffled", "remembered", "weighted", "mixed", "functional"])
def test_what_torch_pruning_cannot_follow_keeps_its_layer_and_no_other(how):
    torch.manual_seed(0)
    model = Between(how).eval()
    model.a.weight.data[:5] = 0
    model.b.weight.data[[1, 7]] = 0
    small = compact(model, torch.randn(2, 3, 6))
    for x in (torch.randn(2, 3, 6), 5 * torch.randn(3, 3, 6)):
        torch.testing.assert_close(small(x), model(x), rtol=1e-4, atol=1e-5)
    assert small.compaction.layers["a.weight"].left == 3 and small.compaction.layers["b.weight"].left == 8
    assert "Torch-Pruning cannot follow" in small.compaction.stayed["b.weight"]
