"""What a page's link sets, and what its address has to say."""

import pytest

import prunelab as pl
from prunelab.errors import RecipeError
from prunelab.lab.links import DEFAULT, Options
from prunelab.lab.page.page_link import PageLink
from prunelab.recipe import OWN


def test_a_link_is_read_whole_or_refused_in_words_with_nothing_changed():
    link = PageLink(DEFAULT, {})
    recipe, options = link.read("v=2&quality=2&stage&qualty=3&preset=l1-or-l2")
    assert (recipe.quality, options.stage, link.preset) == (2.0, True, "L1 or L2")
    assert link.error is None and "qualty (did you mean quality?)" in link.notice
    assert link.read("v=2&quality=much") is None
    assert "This link could not be used: quality = " in link.error and "Nothing was changed" in link.error
    assert link.preset == "L1 or L2", "what was due before is still due"
    link.forget()
    assert (link.error, link.notice) == (None, "")


def test_what_is_ones_own_stays_and_no_link_can_bring_it():
    refused = PageLink(DEFAULT, {})
    assert refused.read("v=2&model=own") is None and "model = own: whose own?" in refused.error
    link = PageLink((pl.Recipe(model=OWN), Options()), {"model": OWN})
    assert link.read("v=2&model=mlp-small&quality=2")[0].model == OWN


def test_the_address_says_news_once_and_keeps_the_last_valid_link():
    def unset():
        raise RecipeError("quality = nan")

    link = PageLink(DEFAULT, {})
    assert link.news(unset) is None, "nobody asks for the link of a page whose address is not ours"
    link.stand_in_address("v=2")
    assert link.news(lambda: "v=2") is None
    assert link.news(lambda: "v=2&quality=2") == "v=2&quality=2"
    assert link.news(lambda: "v=2&quality=2") is None
    assert link.news(unset) is None
    assert link.news(lambda: "v=2") == "v=2"


@pytest.mark.parametrize("recipe", [pl.Recipe(), pl.Recipe(quality=2.0, epochs=3)])
def test_the_link_to_a_page_read_again_gives_the_page(recipe):
    link = PageLink(DEFAULT, {})
    options = Options(big=True, show=("graph",))
    assert link.read(link.to(recipe, options)) == (recipe, options)
