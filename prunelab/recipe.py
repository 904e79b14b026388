"""The recipe: what to train and how to prune it.

The fields below are one declarative table for the constructor, JSON, links, command-line options and the lab's
controls, so that each range and default is written once. No heavy imports: ``prunelab --help`` loads this module.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode

from prunelab.errors import RecipeError
from prunelab.recipe_fields import Allowed, Choice, Flag, Number, link_text, quoted, refusal, setting
from prunelab.schedules import Constant, Cubic, Linear, Schedule

DATASETS = ("digits", "mnist")
MODELS = ("lenet-300-100", "lenet-5", "mlp-small")
OWN = "own"  # custom data or model, given as Python objects: a recipe can name them, but cannot rebuild them
FORMAT = 1
LONGEST_QUERY = 8192

Std = Literal["dense", "survivors", "all"]
Scope = Literal["global", "layer"]
Unit = Literal["weight", "neuron"]

Epochs = dict[str, int]
# Long enough to converge, short enough to watch: one second for digits, ten for MNIST.
TRAIN_EPOCHS: Epochs = {"digits": 40, "mnist": 6, OWN: 10}
RETRAIN_EPOCHS: Epochs = {"digits": 20, "mnist": 3, OWN: 5}
# Determined by experiment: with these, all seeds tested learned digits and MNIST and recovered from pruning. With SGD,
# LeNet-5 diverges at 0.1; Adam learns nothing at 0.1. Custom models get cautious values.
LEARNING_RATES: dict[str, dict[str, float]] = {
    "lenet-300-100": {"sgd": 0.1, "adam": 0.003},
    "lenet-5": {"sgd": 0.05, "adam": 0.003},
    "mlp-small": {"sgd": 0.1, "adam": 0.01},
    OWN: {"sgd": 0.01, "adam": 0.001},
}


# Fields that determine the dense network; the others may change between prunes.
TRAINING_FIELDS = (
    "data", "model", "seed", "optimizer", "learning_rate", "batch_size", "epochs", "regularizer", "strength",
    "dropout", "batch_norm",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """The target of a prune: exactly one of ``quality`` and ``density``.

    quality: threshold in standard deviations of a layer's weights, one for all layers or {layer: quality}; layers that
    are not named stay unchanged. density: fraction to keep, 0 to 1. Raises ValueError for both and for neither.
    """

    quality: float | Mapping[str, float] | None = None
    density: float | None = None

    def __post_init__(self) -> None:
        if (self.quality is None) == (self.density is None):
            raise ValueError("give either quality= or density=, not both and not neither")

    @classmethod
    def given(cls, quality: float | Mapping[str, float] | Target | None, density: float | None) -> Target | None:
        """The target for a caller's arguments: a target, a quality or a density; None if none is given."""
        if isinstance(quality, Target):
            if density is not None:
                raise ValueError("give either a target or density=, not both")
            return quality
        return None if quality is None and density is None else cls(quality, density)

    def to_dict(self) -> dict[str, Any]:
        """The target as JSON types, with the constructor's keys."""
        quality = dict(self.quality) if isinstance(self.quality, Mapping) else self.quality
        return {"quality": quality, "density": self.density}

    @property
    def common_quality(self) -> float | None:
        """The quality shared by all layers; None for a density, and for qualities per layer."""
        return None if isinstance(self.quality, Mapping) else self.quality


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train and how to prune it. Frozen and validated: every Recipe can run.

    All fields are checked on construction; RecipeError (a ValueError) names field, value and allowed range.
    Fields that are None get a default that depends on other fields: ``epochs`` and ``retrain_epochs`` on ``data``,
    ``learning_rate`` on ``model`` and ``optimizer`` (LEARNING_RATES). ``layer_quality`` accepts a mapping
    {layer: quality} and is stored as sorted pairs. Source of the method: Han et al. 2015, section 3.
    """

    data: str = setting("digits", Choice((*DATASETS, OWN)), "What the network learns to read.")
    model: str = setting("lenet-300-100", Choice((*MODELS, OWN)), "The network that is pruned.")
    seed: int = setting(0, Number(0, 2**31 - 1, integer=True), "Same seed, same numbers.")

    optimizer: str = setting("sgd", Choice(("sgd", "adam")), "SGD with momentum 0.9, or Adam.")
    learning_rate: float = setting(None, Number(0, 10, above=True), "Step size of dense training, falling to 0.")
    batch_size: int = setting(64, Number(1, 65536, integer=True), "Samples in one step.")
    epochs: int = setting(None, Number(1, 10000, integer=True), "Passes over the data in dense training.")
    regularizer: str = setting("l2", Choice(("l2", "l1", "none")), "Penalty on weights during training.")
    strength: float = setting(1e-4, Number(0, 1), "Factor of the penalty.")
    dropout: float = setting(0.2, Number(0, 0.95), "Dropout rate before pruning; 0: no dropout.")
    batch_norm: bool = setting(False, Flag(), "Batch normalisation after hidden layers.")

    rule: str = setting("quality", Choice(("quality", "density")), "Cut below quality x deviation, or to a density.")
    quality: float = setting(1.5, Number(0, 10), "Threshold of a layer in standard deviations of its weights.")
    layer_quality: tuple[tuple[str, float], ...] = field(
        default=(),
        metadata={
            "allowed": Number(0, 10),
            "help": "Quality of single layers, instead of the global one.",
        },
    )
    std: Std = setting("dense", Choice(get_args(Std)), "Whose deviation: dense weights, survivors, all.")
    ramp: bool = setting(True, Flag(), "Quality rises linearly over the rounds to its full value.")
    density: float = setting(0.08, Number(0, 1, above=True), "Kept fraction in the end, under the density rule.")
    scope: Scope = setting("global", Choice(get_args(Scope)), "Density over all layers together, or in each alone.")
    unit: Unit = setting("weight", Choice(get_args(Unit)), "Cut single connections, or whole neurons and filters.")

    rounds: int = setting(3, Number(1, 100, integer=True), "How many times to prune and retrain.")
    retrain_epochs: int = setting(None, Number(1, 10000, integer=True), "Passes over the data in each retraining.")
    retrain_rate: float = setting(0.1, Number(0, 1, above=True), "Learning rate of retraining, as a part of the first.")
    adjust_dropout: bool = setting(True, Flag(), "Lower dropout as connections go: D x sqrt(kept / total).")
    recalibrate: bool = setting(True, Flag(), "Measure batch norm's statistics again after each cut.")

    # Fields that were left as None, for ``changed``.
    _left: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = allowed()
        for name in ("data", "model", "optimizer"):  # the defaults depend on these
            if not table[name].check(getattr(self, name)):
                raise refusal(name, getattr(self, name), table[name])
        defaults = {
            "epochs": TRAIN_EPOCHS[self.data],
            "retrain_epochs": RETRAIN_EPOCHS[self.data],
            "learning_rate": LEARNING_RATES[self.model][self.optimizer],
        }
        omitted = [name for name in defaults if getattr(self, name) is None]
        for name in omitted:
            object.__setattr__(self, name, defaults[name])
        object.__setattr__(self, "_left", tuple(omitted))
        pairs = self.layer_quality.items() if isinstance(self.layer_quality, Mapping) else self.layer_quality
        object.__setattr__(self, "layer_quality", _layer_pairs(pairs))
        for name, rule in table.items():
            if name == "layer_quality":
                continue
            value = getattr(self, name)
            if not rule.check(value):
                raise refusal(name, value, rule)
            if isinstance(rule, Number):
                object.__setattr__(self, name, rule.kept(value))
        if self.rule == "quality" and self.unit == "neuron":
            raise RecipeError("unit = 'neuron': needs rule='density'; the quality rule is one of single connections")
        if self.batch_norm and self.batch_size == 1:
            raise RecipeError("batch_size = 1: batch normalisation cannot learn from single samples; take 2 or more")

    def changed(self, **changes: Any) -> Recipe:
        """This recipe with ``changes``. Fields that were left as None get the defaults of the new recipe.

        ``dataclasses.replace`` would keep the epochs of the digits for custom data, for example.
        """
        values = {name: value for name, value in self.to_dict().items() if name not in self._left}
        return Recipe.from_dict({**values, **changes})

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that identify this recipe; equal recipes have equal keys."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, as JSON types."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        values["layer_quality"] = dict(self.layer_quality)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of ``to_dict``; missing fields get their default. RecipeError for unknown keys."""
        for key in values:
            _known(key)
        return cls(**values)

    def to_json(self) -> str:
        """One line of JSON with every field and the format's version."""
        return json.dumps({"prunelab_recipe": FORMAT, **self.to_dict()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The inverse of ``to_json``. RecipeError for anything else, unknown keys and newer versions included."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:  # also numbers with thousands of digits, and endless brackets
            raise RecipeError(f"this is not JSON ({error}); a recipe is what Recipe.to_json() writes") from None
        if not isinstance(values, dict) or "prunelab_recipe" not in values:
            raise RecipeError("this JSON is not a recipe: the key prunelab_recipe is missing")
        version = values.pop("prunelab_recipe")
        if version != FORMAT:
            raise RecipeError(f"prunelab_recipe = {version!r}: this version reads format {FORMAT}; update prunelab")
        return cls.from_dict(values)

    def to_query(self, over: Recipe | None = None) -> str:
        """The fields that differ from the defaults, as the query part of a link (without the question mark).

        over: recipe that the reader may use for missing fields, see ``from_query``; differences from it are included.
        """
        values, defaults = self.to_dict(), Recipe().to_dict()
        # Other defaults depend on these three fields: leave out the values that follow from this recipe's own three.
        derived_defaults = Recipe(data=self.data, model=self.model, optimizer=self.optimizer).to_dict()
        derived_defaults |= {name: defaults[name] for name in ("data", "model", "optimizer")}
        layers = values.pop("layer_quality")
        start = derived_defaults
        if over is not None:
            start = over.changed(data=self.data, model=self.model, optimizer=self.optimizer).to_dict()
            start |= {name: getattr(over, name) for name in ("data", "model", "optimizer")}
            layers = {layer: self.quality for layer, _ in over.layer_quality} | layers
        pairs = [(name, link_text(v)) for name, v in values.items() if v != derived_defaults[name] or v != start[name]]
        pairs += [(f"quality.{layer}", link_text(quality)) for layer, quality in layers.items()]
        return urlencode(pairs)

    @classmethod
    def from_query(cls, query: str, over: Recipe | None = None) -> Recipe:
        """Read the query part of a link. RecipeError for unknown or repeated keys and for values out of range.

        over: recipe that supplies the fields missing in the link; None: they get their defaults.
        """
        if len(query) > LONGEST_QUERY:
            raise RecipeError(f"this link is {len(query)} characters long; at most {LONGEST_QUERY} are read")
        values: dict[str, Any] = {}
        layers: dict[str, Any] = {}
        for key, text in parse_qsl(query.removeprefix("?"), keep_blank_values=True):
            name, _, layer = key.partition(".")
            target, slot = (layers, layer) if name == "quality" and layer else (values, key)
            if slot in target:
                raise RecipeError(f"{quoted(key)} stands twice in this link; keep one")
            rule = allowed()["layer_quality"] if target is layers else _known(key)
            try:
                target[slot] = rule.parse(text)
            except ValueError:
                raise refusal(key, text, rule) from None
        given = {**values, "layer_quality": layers} if layers else values
        return cls.from_dict(given) if over is None else over.changed(**given)

    def target_of_round(self, round: int) -> Target:
        """Target of the prune in ``round`` (1 to rounds; later rounds are like the last).

        Quality rule: quality x round / rounds if ``ramp``, else quality. Density rule: the schedule
        ``schedules.Cubic``.
        """
        value = self.schedule.at(round / self.rounds)
        return Target(quality=value) if self.rule == "quality" else Target(density=value)

    @property
    def final_target(self) -> Target:
        """Target of the last round."""
        return Target(quality=self.quality) if self.rule == "quality" else Target(density=self.density)

    @property
    def schedule(self) -> Schedule:
        """Schedule of the quality or the density over the rounds."""
        if self.rule == "density":
            return Cubic(1.0, self.density)
        return Linear(0.0, self.quality) if self.ramp else Constant(self.quality)

    def training_differences(self, other: Recipe) -> list[str]:
        """Names of the fields of dense training that differ in ``other``."""
        return [name for name in TRAINING_FIELDS if getattr(self, name) != getattr(other, name)]

    def trains_like(self, other: Recipe) -> bool:
        """Whether ``other`` gives the same dense network; fields that are OWN here are not compared."""
        return all(getattr(self, name) == OWN for name in self.training_differences(other))


def allowed() -> dict[str, Allowed]:
    """Allowed values of each Recipe field, by name."""
    return {f.name: f.metadata["allowed"] for f in fields(Recipe) if f.init}


def help_text(name: str) -> str:
    """Meaning of a Recipe field, in one sentence."""
    texts: dict[str, str] = {f.name: f.metadata["help"] for f in fields(Recipe) if f.init}
    return texts[name]


def _layer_pairs(pairs: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(pairs, Iterable) or isinstance(pairs, str):
        raise RecipeError(f"layer_quality = {quoted(pairs)}: must be a mapping from layer to quality")
    rule, qualities = allowed()["layer_quality"], {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str) or not pair[0]:
            raise RecipeError(f"layer_quality: {quoted(pair)} is not a pair of layer and quality")
        if not rule.check(pair[1]):
            raise RecipeError(f"layer_quality of {quoted(pair[0])} = {quoted(pair[1])}: must be {rule}")
        qualities[pair[0]] = float(pair[1])
    return tuple(sorted(qualities.items()))


def _known(key: str) -> Allowed:
    table = allowed()
    if key not in table:
        near = difflib.get_close_matches(key, table, n=1)
        hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(table)
        raise RecipeError(f"{quoted(key)} is not a field of a recipe; {hint}")
    return table[key]
