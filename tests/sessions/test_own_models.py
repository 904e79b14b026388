"""Models and data of one's own."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import prunelab as pl
from prunelab import data as data_module
from prunelab import errors
from prunelab.data import load
from prunelab.errors import SessionError, collected
from support.own_models import Reader, TwoDrops, blobs, small
from support.sessions import finished, quick, same


def test_own_model_and_data_are_trained_in_place():
    model = small()
    recipe = quick(epochs=30, retrain_epochs=30, batch_size=16, quality=0.5)
    session = finished(pl.Session(recipe, model=model, data=(blobs(), blobs())))
    assert session.model is model and session.recipe.model == session.recipe.data == "own"
    assert session.snapshot().test_accuracy > 0.8 and session.masks.density < 1


def test_a_layer_that_is_tied_to_an_embedding_is_cut_in_both():
    torch.manual_seed(0)
    words, classes = torch.randint(0, 20, (90, 4)).float(), torch.arange(90) % 3
    model = Reader()
    with collected():  # weights of attention have no mask
        session = finished(pl.Session(quick(), model=model, data=((words, classes), (words, classes))))
    assert model.words.weight is model.again.weight
    assert torch.equal(model.words.weight != 0, session.masks["again"]) and not session.masks["again"].all()


class Birds(Dataset):
    def __init__(self):
        self.x, self.y = blobs()

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


def test_a_session_knows_the_names_of_its_model_and_data():
    x, y = blobs()
    cases = [
        ((Birds(), Birds()), "Birds"),
        ((TensorDataset(x, y), TensorDataset(x, y)), "own data"),
        (((x, y), (x, y)), "own data"),
        (data_module.own((x, y), (x, y), name="flowers"), "flowers"),
    ]
    for data, name in cases:
        session = pl.Session(quick(), model=TwoDrops(), data=data)
        assert (session.subject.model, session.subject.data) == ("TwoDrops", name)
        assert session.recipe.model == session.recipe.data == "own"
        assert pl.Session(session.recipe, model=TwoDrops(), data=session.data).subject == session.subject
    built = pl.Session(quick()).subject
    assert (built.model, built.data) == ("mlp-small", "digits")


def test_a_sessions_subject_follows_what_its_recipe_cuts():
    """TwoDrops cannot be traced: which layer gives the outputs shows when it runs, not in the order of registration."""
    recipe = quick(rule="density", density=0.5, unit="neuron", scope="global")
    session = pl.Session(recipe, model=TwoDrops(), data=(blobs(), blobs()))
    assert {m.name: m.pruned for m in session.subject.modules} == {"out": False, "a": True, "b": True}
    for _ in session.train():
        pass
    session.prune()
    assert session.masks.kept_in("out") == 24 > session.masks.kept_in("b")
    session.change(session.recipe.changed(unit="weight"))
    assert all(module.pruned for module in session.subject.modules)


def test_own_sessions_are_loaded_with_the_same_model_and_data(tmp_path):
    model = small()
    initial = copy.deepcopy(model.state_dict())
    session = finished(pl.Session(quick(), model=model, data=(blobs(), blobs())))
    session.save(tmp_path)
    other = small()
    other.load_state_dict(initial)
    same(session, pl.Session.load(tmp_path, model=other, data=(blobs(), blobs())))
    with pytest.raises(SessionError, match="of your own"):
        pl.Session.load(tmp_path)
    with pytest.raises(errors.StorageError, match="training and test samples"):
        pl.Session.load(tmp_path, model=small(), data=(blobs(), blobs(samples=30)))
    with pytest.raises(errors.StorageError, match="does not fit"):
        pl.Session.load(tmp_path, model=small(5), data=(blobs(), blobs()))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (small(2), "2 outputs, but the data have 3 classes"),
        (nn.Linear(5, 3), r"cannot take this data, samples of shape \(4,\)"),
        (nn.Sequential(nn.Linear(4, 3), nn.Unflatten(1, (3, 1))), r"it gives shape \(2, 3, 1\)"),
        (nn.GRU(4, 3), "it gives"),
        (nn.Sequential(nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).apply(lambda m: None), None),
        (nn.Sequential(nn.BatchNorm1d(4)), "there is nothing to prune|outputs"),
    ],
)
def test_models_that_do_not_fit_are_refused_in_words(model, words):
    data = blobs(classes=3)
    if words is None:
        finished(pl.Session(quick(), model=model, data=(data, data)))
        return
    with pytest.raises(ValueError, match=words):
        pl.Session(quick(), model=model, data=(data, data))


def test_a_model_without_prunable_layers_is_refused():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x * self.factor

    with pytest.raises(ValueError, match="no Linear or Conv layer"):
        pl.Session(quick(), model=Scale(), data=(blobs(), blobs()))


def test_nan_in_the_model_and_labels_out_of_range_are_refused():
    model = small()
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(SessionError, match=r"0\.weight holds NaN"):
        pl.Session(quick(), model=model, data=(blobs(), blobs()))
    x, y = blobs()
    with pytest.raises(ValueError, match="-1"):
        pl.Session(quick(), model=small(), data=((x, y - 1), (x, y)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (TensorDataset(*blobs()), "data is a TensorDataset"),
        (DataLoader(TensorDataset(*blobs()), len(blobs()[0]) // 2), "data is a DataLoader"),  # of two batches
        (blobs()[0], "data is a Tensor"),
        ({"train": blobs(), "test": blobs()}, "data is a dict"),
        (iter([blobs(), blobs()]), "data is a list_iterator"),
        ((blobs(), blobs(), blobs()), "data is a tuple of 3"),
        ([blobs()], "data is a list of 1"),
    ],
)
def test_data_that_are_not_train_and_test_are_refused_in_words(data, words):
    with pytest.raises(SessionError, match=rf"{words}.*\(train, test\)"):
        pl.Session(quick(), model=small(), data=data)


def test_owners_by_layer_name_are_taken_and_the_other_dropouts_keep_theirs(tmp_path):
    session = pl.Session(quick(), model=TwoDrops(), data=(blobs(), blobs()), owners={"drop_b": "a"})
    assert {d.name: d.layer for d in session.snapshot().dropouts} == {"drop_a": "a.weight", "drop_b": "a.weight"}
    for _ in session.train():
        pass
    preview, pruned = session.preview(1.0), session.prune(1.0)
    assert preview.dropouts == pruned.dropouts
    assert pruned.dropouts[1].rate == pytest.approx(0.4 * pruned.layer("a.weight").density ** 0.5)
    with pytest.raises(ValueError, match="'drop_c' is no dropout"):
        pl.Session(quick(), model=TwoDrops(), data=(blobs(), blobs()), owners={"drop_c": "a"})


def test_other_data_of_the_same_size_are_refused_in_words(tmp_path):
    x, y = blobs()
    session = finished(pl.Session(quick(), model=small(), data=((x, y), (x, y))))
    session.save(tmp_path)
    for other in ((x + 0.1, y), (x, y.flip(0))):
        with pytest.raises(errors.StorageError, match="made with other data"):
            pl.Session.load(tmp_path, model=small(), data=(other, (x, y)))
        with pytest.raises(ValueError, match="made with other data"):
            pl.Session(quick(), model=small(), data=((x, y), other)).restore(session.state())
    same(session, pl.Session.load(tmp_path, model=small(), data=((x.clone(), y), (x, y))))


def test_digits_split_by_another_seed_are_refused():
    with pytest.raises(SessionError, match=r"split by seed 1, but the recipe says seed = 0: .*Recipe\(seed=1\)"):
        pl.Session(quick(), data=load("digits", seed=1))
    assert pl.Session(quick(seed=1), data=load("digits", seed=1)).recipe.data == "digits"


def test_a_session_trains_where_gradients_are_switched_off():
    here, there = (pl.Session(quick(), model=small(), data=(blobs(), blobs())) for _ in range(2))
    finished(here)
    with torch.no_grad():
        finished(there)
    same(here, there)


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = small()

    def forward(self, x):
        return self.layers(x).detach()


@pytest.mark.parametrize("model", [small().requires_grad_(False), Detached()], ids=["frozen", "detached"])
def test_a_model_of_which_nothing_can_learn_is_refused_in_words_and_can_still_be_cut(model):
    session = pl.Session(quick(), model=model, data=(blobs(), blobs()))
    with pytest.raises(SessionError, match=r"nothing can learn.*requires_grad.*no_grad"):
        session.finish()
    trained = pl.Session(quick(retrain_epochs=0), model=model, data=(blobs(), blobs()), trained=True)
    finished(trained)
    assert trained.masks.density < 1


class Asserting(nn.Linear):
    def forward(self, x):
        assert x.shape[1] == 224, "input height does not match"
        return super().forward(x)


class Keyed(nn.Linear):
    def forward(self, x):
        return {}["features"]


class Unwritten(nn.Linear):
    def forward(self, x):
        raise NotImplementedError


class Stateful(nn.Linear):
    def get_extra_state(self):
        return {"version": 2}

    def set_extra_state(self, state):
        pass


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Asserting(4, 3), r"cannot take this data, samples of shape \(4,\): input height does not match"),
        (Keyed(4, 3), r"cannot take this data, samples of shape \(4,\): 'features'"),
        (Unwritten(4, 3), r"cannot take this data, samples of shape \(4,\): NotImplementedError"),
        (
            nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3)),
            r"0\.weight has no shape yet: run the",
        ),
        (nn.Sequential(nn.Linear(4, 8), nn.LazyBatchNorm1d(), nn.Linear(8, 3)), r"1\.weight has no shape yet"),
        (nn.Sequential(Stateful(4, 3)), r"0\._extra_state in the model's state dict is a dict"),
    ],
    ids=["assertion", "key", "not implemented", "lazy", "lazy norm", "extra state"],
)
def test_models_that_raise_anything_or_are_not_ready_are_refused_before_they_train(model, words):
    with pytest.raises(SessionError, match=words):
        pl.Session(quick(), model=model, data=(blobs(), blobs()))


class Outside(nn.Module):
    """A buffer that is not in the state dict unless it is persistent."""

    def __init__(self, update, persistent=False):
        super().__init__()
        self.a, self.b, self.update = nn.Linear(4, 8), nn.Linear(8, 3), update
        self.register_buffer("seen", torch.zeros(8), persistent=persistent)

    def forward(self, x):
        h = self.a(x)
        self.update(self, h.detach())
        return self.b(torch.relu(h - self.seen))


def averaged(model, h):
    if model.training:
        model.seen.mul_(0.9).add_(h.mean(0), alpha=0.1)


def replaced(model, h):
    if model.training:
        model.seen = 0.9 * model.seen + 0.1 * h.mean(0)


def counted(model, h):
    if model.training:
        model.seen += 1


def filled_once(model, h):
    model.seen = torch.full((8,), 0.5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("update", [averaged, replaced, counted])
def test_a_buffer_that_changes_in_training_but_would_not_be_saved_is_refused(update, training):
    model, data = Outside(update).train(training), (blobs(), blobs())
    generator = torch.get_rng_state()
    with pytest.raises(SessionError, match="seen changes in training, but is not in the model's state dict"):
        pl.Session(quick(), model=model, data=data)
    assert not model.seen.any() and model.training == training and torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("model", [Outside(averaged, persistent=True), Outside(filled_once)], ids=["saved", "cache"])
def test_a_resumed_session_goes_on_with_the_same_buffers(model, tmp_path):
    again, data = copy.deepcopy(model), (blobs(), blobs())
    session = pl.Session(quick(), model=model, data=data)
    session.finish("train")
    session.save(tmp_path)
    resumed = pl.Session.load(tmp_path, model=again, data=data)
    session.finish(), resumed.finish()
    assert torch.equal(session.model.seen, resumed.model.seen)
    assert torch.equal(session.model.b.weight, resumed.model.b.weight)


def test_a_weight_that_can_have_no_mask_is_refused_with_the_way_on():
    model = small()
    name, layer = next((n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear))
    nn.utils.parametrizations.weight_norm(layer)
    words = rf"{name}\.weight is computed.*leave it out with masks=prunelab\.Masks\(model, exclude=\[\.\.\.\]\)"
    with pytest.raises(SessionError, match=words):
        pl.Session(quick(), model=model, data=(blobs(), blobs()))
    with collected():  # the weight without a mask
        masks = pl.Masks(model, exclude=[name])
        finished(pl.Session(quick(), model=model, data=(blobs(), blobs()), masks=masks))
    assert masks.zeros_hold()


@pytest.mark.parametrize(
    ("settings", "layers", "refused"),
    [
        ({"optimizer": "sgd", "regularizer": "none"}, ["1", "2"], None),
        ({"optimizer": "sgd", "regularizer": "l1"}, ["2"], None),
        ({"optimizer": "sgd", "regularizer": "l1"}, ["1", "2"], "1 has sparse=True, and regularizer='l1'"),
        ({"optimizer": "sgd", "regularizer": "l2"}, ["1", "2"], "1 has sparse=True, and regularizer='l2'"),
        ({"optimizer": "adam"}, ["2"], "1 has sparse=True, and optimizer='adam'"),
    ],
)
def test_embeddings_with_sparse_gradients_are_trained_or_refused_in_words(settings, layers, refused):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.EmbeddingBag(20, 8, sparse=True), nn.Linear(8, 3))
    x, y = torch.randint(20, (60, 5)), torch.arange(60) % 3
    masks = pl.Masks(model, layers=layers)
    if refused is None:
        finished(pl.Session(quick(**settings), model=model, data=((x, y), (x, y)), masks=masks))
        assert masks.zeros_hold()
        return
    with pytest.raises(SessionError, match=refused):
        pl.Session(quick(**settings), model=model, data=((x, y), (x, y)), masks=masks)


@pytest.mark.parametrize("layers", [["1", "3"], ["3"]], ids=["with a mask", "without"])
@pytest.mark.parametrize("settings", [{"optimizer": "adam"}, {"regularizer": "l1"}, {"regularizer": "l2"}], ids=str)
@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_frozen_embeddings_give_no_gradients_so_sparse_ones_are_no_obstacle(kind, settings, layers):
    torch.manual_seed(0)
    embedding = kind.from_pretrained(torch.randn(20, 8), sparse=True)  # frozen, as this makes it
    model = nn.Sequential(nn.Flatten(), embedding, nn.Flatten(), nn.LazyLinear(3))
    x, y = torch.randint(20, (60, 5)), torch.arange(60) % 3
    model(x)
    masks = pl.Masks(model, layers=layers)
    finished(pl.Session(quick(**settings), model=model, data=((x, y), (x, y)), masks=masks))
    assert masks.zeros_hold()
