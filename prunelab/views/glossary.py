"""The words of pruning, each explained in two plain sentences: for the page, the lessons and the documentation alike.

docs/reference/glossary.md is written by ``as_markdown``, which a test compares.
"""

from __future__ import annotations

from prunelab.formatting import did_you_mean

GLOSSARY: dict[str, str] = {
    "accuracy": (
        "The share of the test samples that the network classifies correctly. "
        "It is measured on samples that the network never trained on."
    ),
    "bands": (
        "Stripes in the mask of a layer that reads images, one for each row of pixels. "
        "The pixels at the border tell little, so that most of their connections are cut."
    ),
    "compression": (
        "All connections divided by the kept ones: 10x means that one connection in ten is left. "
        "The file shrinks less than that, because it also has to say which connections are left."
    ),
    "connections": (
        "The weights of the layers that can be pruned, one for each pair of units that a layer connects. "
        "Biases are not counted: they are few, and they are never cut."
    ),
    "cut value": (
        "The value that a weight had at the moment it was cut. "
        "The histogram still counts a cut weight there, although the network now uses zero in its place."
    ),
    "dead neuron": (
        "A neuron or filter that no path from the input reaches, or that no path to the output leaves. "
        "It can be removed together with all its connections, and no answer of the network follows the input any less."
    ),
    "dense": (
        "A network in which no connection is cut. "
        "The dense network is what every pruned one is compared with."
    ),
    "density": (
        "The share of the connections that is kept, from 0 to 100 %. "
        "Density and sparsity add up to 100 %."
    ),
    "deviation": (
        "The standard deviation of a layer's weights: how far they typically lie from their mean. "
        "It gives each layer a scale of its own, so that one quality suits layers with large and with small weights."
    ),
    "distillation": (
        "Retraining in which the network also learns from what the dense one says, beside the labels. "
        "Its answers for all classes, softened, tell more than the right class alone."
    ),
    "dropout adjustment": (
        "Dropout switches off a random share of the neurons at each training step, so that the network relies on none. "
        "A pruned layer has fewer connections to spare: its rate falls with the square root of the share that is kept."
    ),
    "effective density": (
        "The share of the connections that are kept and lie on some path from the input to the output. "
        "It is lower than the density when neurons are dead: their remaining connections do nothing."
    ),
    "entropy bound": (
        "The fewest bytes in which the kept weights and their places can be written, if the places were independent. "
        "Real masks have bands and empty rows, and a file that makes use of these can be smaller still."
    ),
    "file": (
        "The size of the packed file, which holds the kept weights exactly and says where they belong. "
        "A smaller file is one goal of pruning; a faster network is another."
    ),
    "flipped": (
        "A test sample that the dense network classified correctly and the network as it is does not, or the reverse. "
        "Two networks can be equally accurate and still differ on many samples."
    ),
    "gradual pruning": (
        "All cuts within one learning-rate cycle: the network is cut while it trains, and is never started anew. "
        "Most is cut early, while steps are still large enough to mend it."
    ),
    "input map": (
        "A map of how many kept connections each pixel, or each position of a kernel, still has. "
        "Pruning often finds by itself that the border of an image tells nothing."
    ),
    "learning-rate schedule": (
        "How the learning rate goes while a network trains: down to 0 along half a cosine, or constant, in retraining. "
        "Where it falls, large first steps mend what was cut, and small last ones settle it."
    ),
    "mask": (
        "A table of yes and no, with one entry for each weight of a layer: yes where the weight is kept. "
        "It is applied after every step of training, so that what is cut stays zero."
    ),
    "network graph": (
        "The network as dots and lines: a dot for a neuron or filter, a line for one of the strongest connections. "
        "Dots in grey are dead."
    ),
    "probability": (
        "How sure the network is of each class, from 0 to 100 %; all classes together make 100 %. "
        "Its answer is the class with the highest probability, however low that is."
    ),
    "prune": (
        "To remove the connections that matter least, by setting them to zero for good. "
        "Accuracy falls at first, and retraining usually brings most of it back."
    ),
    "quality": (
        "The number that the slider sets: a layer's threshold is quality times the deviation of its weights. "
        "A higher quality cuts more."
    ),
    "random pruning": (
        "Cutting connections by lot, whatever they are worth, to the same density. "
        "It is the control: what is better than this is better because of what was chosen."
    ),
    "regrowth": (
        "Connections that were cut come back at a later cut, where the loss asks for them most. "
        "They begin at zero, and as many others go in their place."
    ),
    "retraining": (
        "Training that goes on after a cut, from the weights that are left and at a lower learning rate. "
        "The survivors take over what the cut connections did."
    ),
    "rewinding": (
        "To retrain as in dense training: from the weights of an early epoch, or at its learning rates only. "
        "The large steps of an early epoch can mend what the last small ones cannot."
    ),
    "round": (
        "One cut and the retraining after it. "
        "Several rounds that cut a little each keep more accuracy than one cut to the same density."
    ),
    "sensitivity": (
        "How much accuracy is lost when only one layer is cut, and all others stay whole. "
        "Sensitive layers, often the first ones, should be cut less."
    ),
    "sparsity": (
        "The share of the connections that is cut, from 0 to 100 %. "
        "Sparsity and density add up to 100 %."
    ),
    "speed": (
        "The time that the dense network takes for a batch, divided by that of the fastest pruned one (medians). "
        "It only counts when the difference is clear; zeros alone make no network faster."
    ),
    "survivors": (
        "The connections that are not cut. "
        "They keep the values that they have, and go on learning."
    ),
    "threshold": (
        "The magnitude below which a layer's weights are cut; the two dotted lines in its histogram. "
        "It is quality times the deviation of the layer's weights."
    ),
    "trade-off curve": (
        "What accuracy is lost for each share of connections that is kept, with and without retraining. "
        "Retraining pulls the weights away from zero, so that fewer lie below a threshold than in a Gaussian layer."
    ),
    "two peaks": (
        "The shape of a layer's weights once those near zero are cut and the rest is retrained. "
        "Survivors lie on both sides of a gap, and few of them come back to zero."
    ),
    "zeros still zero": (
        "Whether every weight that was cut is exactly zero in the network as it is. "
        "An optimizer with momentum would bring cut weights back, if the masks were not applied after every step."
    ),
}  # fmt: skip


def about(term: str) -> str:
    """The two sentences about a term. Raises KeyError for one that is not in the glossary."""
    if term not in GLOSSARY:
        raise KeyError(f"{term!r} is not in the glossary: {did_you_mean(term, GLOSSARY)}")
    return GLOSSARY[term]


def as_markdown() -> str:
    """The glossary as the page of the documentation."""
    entries = "\n".join(f"## {term}\n\n{text}\n" for term, text in GLOSSARY.items())
    return f"# Glossary\n\nThe words on the page, in the lessons and in the code.\n\n{entries}"
