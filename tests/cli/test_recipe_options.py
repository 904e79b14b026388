"""Options of a run: a quality or a density names the rule, and what the run would take no notice of is refused."""

import pytest

import prunelab as pl
from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.cli.recipe_options import recipe_from
from prunelab.errors import RecipeError
from prunelab.experiments.sweep_grid import grid


@pytest.fixture
def density_file(tmp_path):
    file = tmp_path / "density.json"
    file.write_text(pl.Recipe(rule="density", density=0.2).to_json())
    return file


def test_a_lone_density_or_quality_names_the_rule(density_file):
    assert recipe_from({"density": "0.1"}) == pl.Recipe(rule="density", density=0.1)
    assert recipe_from({"quality": "1"}, density_file) == pl.Recipe(quality=1, density=0.2)
    assert recipe_from({"density": "0.1"}, density_file) == pl.Recipe(rule="density", density=0.1)
    assert recipe_from({"seed": "3"}, density_file) == pl.Recipe(rule="density", density=0.2, seed=3)
    assert recipe_from({"rule": "density"}) == pl.Recipe(rule="density")
    assert recipe_from({"rule": "quality", "layer_quality": ["fc1=0.1"]}, density_file).layer_quality == (("fc1", 0.1),)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"quality": "1", "density": "0.1"}, "--quality 1 and --density 0.1: a run has one rule"),
        ({"rule": "density", "quality": "1"}, "--quality 1: the rule of this run is density"),
        ({"rule": "quality", "density": "0.1"}, "--density 0.1: the rule of this run is quality"),
        ({"rule": "quality", "quality": "1", "density": "0.1"}, "--density 0.1: the rule of this run is quality"),
        ({"rule": "density", "layer_quality": ["fc1=0.1"]}, "--layer-quality fc1=0.1: the rule of this run is density"),
        ({"density": "0.1", "layer_quality": ["fc1=0.1"]}, "--layer-quality fc1=0.1: the rule of this run is density"),
        ({"layer_quality": ["fc1=1", "fc1=2"]}, "--layer-quality fc1=2: fc1 has a quality already"),
        ({"rule": "both", "density": "0.1"}, "rule = both: must be one of"),
    ],
)
def test_what_a_run_would_drop_is_refused_by_name(given, said):
    with pytest.raises(CommandError, match=said) as caught:
        recipe_from(given)
    assert caught.value.code == BAD_INPUT


def test_the_rule_of_a_file_counts_too(density_file):
    with pytest.raises(CommandError, match="--layer-quality fc1=0.1: the rule of this run is density"):
        recipe_from({"layer_quality": ["fc1=0.1"]}, density_file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_recipe_is_read_as_editors_write_it(encoding, end, tmp_path):
    file, recipe = tmp_path / "recipe.json", pl.Recipe(layer_quality={"fc1.größer": 1.0}, seed=3)
    file.write_bytes(recipe.to_json().replace(", ", f", {end}").encode(encoding) + end.encode())
    assert recipe_from({}, file) == recipe


@pytest.mark.parametrize("given", [{}, {"seed": "3"}])
@pytest.mark.parametrize(
    "text", ["", "[recipe]", "{}", '{"prunelab_recipe": 99}', '{"prunelab_recipe": 3, "qualty": 1}']
)
def test_a_file_that_is_no_recipe_is_named_whatever_else_is_given(given, text, tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(text)
    with pytest.raises(CommandError, match=f"^--recipe {file}: "):
        recipe_from(given, file)


def test_a_grid_without_the_quality_rule_has_no_qualities_of_layers():
    with pytest.raises(RecipeError, match="layer_quality: no run has the rule 'quality'"):
        grid(pl.Recipe(), {"density": 0.1, "layer_quality": {"fc1": 1.0}})
    assert len(grid(pl.Recipe(), {"density": 0.1, "layer_quality": {}})[1]) == 1
    assert len(grid(pl.Recipe(), {"density": 0.1, "quality": 1, "layer_quality": {"fc1": 1.0}})[1]) == 2
