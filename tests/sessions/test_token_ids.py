"""Whole numbers as samples: ids that the model has no row for are refused before it trains."""

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.errors import SessionError
from support.sessions import quick

IDS = 10  # that the models below know

pytestmark = pytest.mark.filterwarnings("ignore::prunelab.errors.CoverageWarning")


class Columns(nn.Module):
    """A table of two columns, each with a vocabulary of its own."""

    def __init__(self):
        super().__init__()
        self.short, self.long, self.last = nn.Embedding(3, 4), nn.Embedding(IDS, 4), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(torch.cat([self.short(x[:, 0]), self.long(x[:, 1])], 1))


class OneHot(nn.Module):
    def __init__(self, length):
        super().__init__()
        self.last = nn.Linear(IDS * length, 3)

    def forward(self, x):
        return self.last(nn.functional.one_hot(x, IDS).float().flatten(1))


def text(length=5):
    return nn.Sequential(nn.Embedding(IDS, 4), nn.Flatten(), nn.Linear(4 * length, 3))


def bag():
    return nn.Sequential(nn.EmbeddingBag(IDS, 4), nn.Linear(4, 3))


def samples(length=5, highest=IDS, number=60):
    x = torch.randint(highest, (number, length), generator=torch.Generator().manual_seed(0))
    return x, torch.arange(number) % 3


def with_id(part, sample, place, value):
    x = part[0].clone()
    x[sample, place] = value
    return x, part[1]


MODELS = [(text, 5), (lambda: text(50), 50), (bag, 5), (lambda: OneHot(5), 5), (Columns, 2)]


@pytest.mark.parametrize("value", [IDS, 4000, -1])
@pytest.mark.parametrize("where", ["train", "test"])
@pytest.mark.parametrize(("model", "length"), MODELS)
def test_an_id_that_one_late_sample_has_is_refused_before_training(model, length, where, value):
    part = samples(length, 3 if model is Columns else IDS)
    bad = with_id(part, 47, length - 1, value)
    data = (bad, part) if where == "train" else (part, bad)

    with pytest.raises(SessionError, match=rf"{where} x: .* not all of token ids from .*: .*a row for each id"):
        pl.Session(quick(), model=model(), data=data)


def test_each_column_of_a_table_has_a_vocabulary_of_its_own():
    part = samples(2, 3)
    many = with_id(part, 31, 1, IDS - 1)  # no more than the second column has
    pl.Session(quick(), model=Columns(), data=(many, part))

    with pytest.raises(SessionError, match="not all of token ids from 0 to 9"):
        pl.Session(quick(), model=Columns(), data=(with_id(many, 20, 0, 5), part))
    with pytest.raises(SessionError, match="not all of token ids from 0 to 9"):
        pl.sensitivity(Columns(), (many, with_id(many, 20, 0, 5)))


@pytest.mark.parametrize(("model", "length"), MODELS)
def test_ids_that_the_model_knows_are_taken(model, length):
    part = samples(length, 3 if model is Columns else IDS)

    assert pl.Session(quick(), model=model(), data=(part, part)).finish().test_accuracy is not None
