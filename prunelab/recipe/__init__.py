"""The recipe: what to train and how to prune it.

The fields below are one declarative table for the constructor, JSON, links, command-line options and the lab's
controls, so that each range and default is written once. No heavy imports: ``prunelab --help`` loads this module.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from prunelab.errors import RecipeError
from prunelab.formatting import suggesting
from prunelab.recipe import field_kinds, link
from prunelab.recipe.field_kinds import DEPENDENT as DEPENDENT
from prunelab.recipe.field_kinds import USUAL as USUAL
from prunelab.recipe.field_kinds import Allowed, Choice, Flag, Number, known, layer_pairs, quoted, refusal, setting
from prunelab.recipe.link import LONGEST_QUERY as LONGEST_QUERY
from prunelab.recipe.link import VERSION_KEY as VERSION_KEY
from prunelab.recipe.link import layer_in as layer_in
from prunelab.recipe.schedules import Constant, Cubic, Linear, Schedule
from prunelab.recipe.target import RULES, naming_rule
from prunelab.recipe.target import PerLayer as PerLayer
from prunelab.recipe.target import Target as Target

DATASETS = ("digits", "mnist")
MODELS = ("lenet-300-100", "lenet-5", "mlp-small")
OWN = "own"  # custom data or model, given as Python objects: a recipe can name them, but cannot rebuild them
# Of JSON. Format 1 did not say which fields were left to their usual value; formats 1 and 2 had the defaults of links
# of version 1, and no usual scope.
FORMAT = 3

Std = Literal["dense", "survivors", "all"]
Scope = Literal["global", "layer"]
Unit = Literal["weight", "neuron"]
Criterion = Literal["magnitude", "random"]
Rewind = Literal["none", "weights", "rate"]
RetrainSchedule = Literal["cosine", "constant"]

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

CHOICES = ("data", "model", "optimizer", "unit")  # the fields that usual values depend on

# Fields that determine the dense network; the others may change between prunes.
TRAINING_FIELDS = (
    "data", "model", "seed", "optimizer", "learning_rate", "batch_size", "epochs", "regularizer", "strength",
    "dropout", "batch_norm",
)  # fmt: skip
# Fields that came later: they are part of a key only where they are not at their default, as keys name saved files.
LATER_FIELDS = ("criterion", "gradual", "rewind", "rewind_epoch", "regrow", "distill", "retrain_schedule")


def _with_rule(cls: type[Recipe]) -> type[Recipe]:
    """Class decorator: the constructor takes the rule that its arguments ask for."""
    construct = cls.__init__

    @functools.wraps(construct)
    def constructed(self: Recipe, **given: Any) -> None:
        construct(self, **naming_rule(given))

    cls.__init__ = constructed  # type: ignore[method-assign]
    return cls


@suggesting
@_with_rule
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train and how to prune it. Frozen and validated: every Recipe can run.

    All fields are checked on construction; RecipeError (a ValueError) names field, value and allowed range.
    Fields that are None get a usual value that depends on other fields: ``epochs`` and ``retrain_epochs`` on ``data``,
    ``learning_rate`` on ``model`` and ``optimizer`` (LEARNING_RATES), ``scope`` on ``unit``: connections are compared
    over all layers, neurons within each, as the root mean squares of layers with unlike numbers of inputs do not
    compare: ranked together, one neuron of a hundred may be all that is left of a layer. ``usual`` names them.
    A density that is given without a quality names the rule, and a quality alone does: ``Recipe(density=0.1)`` cuts to
    it. ``layer_quality`` accepts a mapping {layer: quality} and is stored as sorted pairs. Source of the method: Han et
    al. 2015, section 3.

    ``retrain_rate`` is 0.5 by default. The paper took 0.1 for its LeNets and 0.01 for AlexNet; its schedule is not
    told. Where the rate falls to 0 in each retraining, as it does here, larger ones recover more. On the digits, over
    five seeds: 97.2 % right with 0.1, 97.7 with 0.5 and 97.8 with 1; cut to 5 % at once 96.2, 97.2 and 97.4; mlp-small
    94.7, 97.2 and 97.3, cut to 5 % at once 88.2, 93.3 and 94.2. So does Renda et al. 2020. With Adam it matters more.
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

    rule: str = setting("quality", Choice(RULES), "Cut below quality x deviation, or to a density.")
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
    scope: Scope = setting(None, Choice(get_args(Scope)), "Density over all layers together, or in each alone.")
    unit: Unit = setting("weight", Choice(get_args(Unit)), "Cut single connections, or whole neurons and filters.")

    criterion: Criterion = setting(
        "magnitude", Choice(get_args(Criterion)), "Which connections stay under a density: the largest, or any."
    )
    regrow: float = setting(0.0, Number(0, 1), "Connections that come back at a cut, as a part of those that go.")

    rounds: int = setting(3, Number(1, 100, integer=True), "How many times to prune and retrain.")
    retrain_epochs: int = setting(
        None, Number(0, 10000, integer=True), "Passes over the data in each retraining; 0: cut only."
    )
    retrain_rate: float = setting(0.5, Number(0, 1, above=True), "Learning rate of retraining, as a part of the first.")
    retrain_schedule: RetrainSchedule = setting(
        "cosine", Choice(get_args(RetrainSchedule)), "Learning rate of retraining: falls to 0 along a cosine, or stays."
    )
    gradual: bool = setting(False, Flag(), "All rounds within one learning-rate cycle: cut while it runs.")
    rewind: Rewind = setting(
        "none", Choice(get_args(Rewind)), "Retrain as in dense training: from its early weights, or at its rates only."
    )
    rewind_epoch: int = setting(
        1, Number(0, 10000, integer=True), "Epochs of dense training that rewinding keeps; 0: back to its start."
    )
    distill: float = setting(
        0.0, Number(0, 1), "Part of the loss of retraining that compares with the dense network's outputs."
    )
    adjust_dropout: bool = setting(True, Flag(), "Lower dropout as connections go: D x sqrt(kept / total).")
    recalibrate: bool = setting(True, Flag(), "Measure batch norm's statistics again after each cut.")

    # Fields that were left as None, in the order of DEPENDENT.
    _left: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = allowed()
        for name in CHOICES:
            if not table[name].check(getattr(self, name)):
                raise refusal(name, getattr(self, name), table[name])
        left = tuple(name for name in DEPENDENT if getattr(self, name) is None)
        for name in left:
            object.__setattr__(self, name, self.usual_value(name))
        object.__setattr__(self, "_left", left)
        pairs = self.layer_quality.items() if isinstance(self.layer_quality, Mapping) else self.layer_quality
        object.__setattr__(self, "layer_quality", layer_pairs(pairs, table["layer_quality"]))
        for name, rule in table.items():
            if name == "layer_quality":
                continue
            value = getattr(self, name)
            if not rule.check(value):
                raise refusal(name, value, rule)
            if isinstance(rule, Number):
                object.__setattr__(self, name, rule.kept(value))
        for name, reason in self._refusals():
            raise RecipeError(f"{name} = {getattr(self, name)!r}: {reason}")

    def _refusals(self) -> Iterator[tuple[str, str]]:
        """The fields whose values do not go together with others, and why."""
        if self.rule == "quality" and self.unit == "neuron":
            yield "unit", "needs rule='density'; the quality rule is one of single connections"
        if self.batch_norm and self.batch_size == 1:
            yield "batch_size", "batch normalisation cannot learn from single samples; take 2 or more"
        if self.criterion == "random" and self.rule == "quality":
            yield "criterion", "needs rule='density'; the quality rule is one of magnitudes"
        if self.criterion == "random" and self.unit == "neuron":
            yield "criterion", "cuts single connections; it needs unit='weight'"
        if self.regrow and (self.rule, self.unit, self.criterion) != ("density", "weight", "magnitude"):
            yield "regrow", "needs rule='density', unit='weight' and criterion='magnitude'"
        if self.gradual and not self.retrain_epochs:
            yield "retrain_epochs", "gradual cuts are made while the network trains; take 1 or more"
        if self.rewind != "none" and self.gradual:
            yield "rewind", "begins each retraining anew, but gradual cuts share one; take either"
        if self.rewind != "none" and self.rewind_epoch >= self.epochs:
            yield "rewind_epoch", f"dense training has {self.epochs} epochs, and rewinding needs some of them to repeat"
        if self.rewind != "none" and not self.retrain_epochs:
            yield (
                "retrain_epochs",
                f"nothing is retrained, but rewind = {self.rewind!r} is a way to retrain; take 'none'",
            )

    @property
    def usual(self) -> tuple[str, ...]:
        """The fields that were left to their usual value: where the fields of CHOICES change, they change too."""
        return self._left

    def usual_value(self, name: str) -> Any:
        """The usual value of a field of DEPENDENT, with this recipe's choices."""
        if name == "scope":
            return "layer" if self.unit == "neuron" else "global"
        if name == "learning_rate":
            return LEARNING_RATES[self.model][self.optimizer]
        return {"epochs": TRAIN_EPOCHS, "retrain_epochs": RETRAIN_EPOCHS}[name][self.data]

    def changed(self, **changes: Any) -> Recipe:
        """This recipe with ``changes``. What was left to the usual gets the usual values of the new recipe.

        A quality or a density alone names the rule, as in the constructor. None leaves a field to its usual value.
        ``dataclasses.replace`` would keep the epochs of the digits for custom data, for example.
        """
        values = {name: value for name, value in self.to_dict().items() if name not in self._left}
        return Recipe.from_dict({**values, **naming_rule(changes)})

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that identify this recipe; equal recipes have equal keys."""
        later = {f.name: f.default for f in fields(self) if f.name in LATER_FIELDS}
        named = {name: value for name, value in self.to_dict().items() if later.get(name, self) != value}
        text = json.dumps({"prunelab_recipe": 1, **named}, sort_keys=True)  # as ever: keys name saved files
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self, *, usual: bool = False) -> dict[str, Any]:
        """All fields by name, as JSON types. usual: also, as "usual", the names of those left to their usual value."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        values["layer_quality"] = dict(self.layer_quality)
        return {**values, "usual": list(self.usual)} if usual else values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of ``to_dict``; missing fields get their default. RecipeError for unknown keys.

        A field that "usual" names is left to its usual value if that is the value given; where another version had
        another usual value, the number counts: a saved run stays what it was.
        """
        given = dict(values)
        names = given.pop("usual", ())
        if not isinstance(names, list | tuple) or any(name not in DEPENDENT for name in names):
            raise RecipeError(f"usual = {quoted(names)}: must be a list of fields out of {', '.join(DEPENDENT)}")
        for key in given:
            known(key, allowed())
        recipe = cls(**given)
        left = {name: None for name in names if getattr(recipe, name) == recipe.usual_value(name)}
        return cls(**{**given, **left}) if left else recipe

    def to_json(self) -> str:
        """One line of JSON with every field, the names of those left to the usual, and the format's version."""
        return json.dumps({"prunelab_recipe": FORMAT, **self.to_dict(usual=True)}, sort_keys=True)

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
        if version not in (1, 2, FORMAT):
            raise RecipeError(f"prunelab_recipe = {version!r}: this version reads format {FORMAT}; update prunelab")
        if version == 2 and isinstance(values.get("usual"), list):
            values["usual"].append("scope")
        earlier = link.earlier_defaults(1 if version < FORMAT else link.VERSION)
        return cls.from_dict({"usual": DEPENDENT, **earlier, **values})

    def to_query(self, over: Recipe | None = None) -> str:
        """The fields that differ from the defaults, as the query part of a link (without the question mark).

        It begins with the version of the defaults, "v=2". What is left to the usual is not in it, so that it stays so.
        over: recipe that the reader may use for missing fields, see ``from_query``; differences from it are included,
        USUAL for what is left here but not there.
        """
        defaults = Recipe()
        start = defaults if over is None else over
        return link.query(self.to_dict(), self.usual, start.to_dict(), start.usual, defaults.to_dict())

    @classmethod
    def from_query(cls, query: str, over: Recipe | None = None) -> Recipe:
        """Read the query part of a link. RecipeError for unknown or repeated keys and for values out of range.

        over: recipe that supplies what is missing in the link; None: ``Recipe()``. Where a link of an earlier version
        leaves out a field whose default was another then, and ``over`` has the default of today, it means the earlier.
        """
        start, defaults = over or cls(), cls()
        version, values = link.read(query, allowed(), start.layer_quality)
        recipe = start.changed(**values)
        meant = {
            name: value
            for name, value in link.earlier_defaults(version).items()
            if name not in values and (name in start.usual or getattr(start, name) == getattr(defaults, name))
        }
        changes = {name: value for name, value in meant.items() if getattr(recipe, name) != value}
        return recipe.changed(**changes) if changes else recipe

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
        return self.quality_schedule(self.quality)

    def quality_schedule(self, quality: float) -> Schedule:
        """Schedule over the rounds of a quality, at least 0, that is reached in the end: such as one layer's own."""
        return Linear(0.0, quality) if self.ramp else Constant(quality)

    @property
    def retraining_epochs(self) -> int:
        """Passes over the data in the retraining of all rounds together."""
        each = self.retrain_epochs if self.rewind == "none" else self.epochs - self.rewind_epoch
        return self.rounds * each

    @property
    def early_epoch(self) -> int | None:
        """The epoch of dense training after which its weights have to be kept; None if they need not be."""
        return self.rewind_epoch if self.rewind == "weights" else None

    def training_differences(self, other: Recipe) -> list[str]:
        """Names of the fields of dense training that differ in ``other``, or that ``other`` needs more of it by."""
        names = [name for name in TRAINING_FIELDS if getattr(self, name) != getattr(other, name)]
        return names + (["rewind"] if other.early_epoch not in (None, self.early_epoch) else [])

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


def parsed(name: str, text: str) -> Any:
    """A field's value in a link or an option: None where it is left to the usual. ValueError if it is no such value."""
    return field_kinds.parsed(name, text, allowed()[name])
