"""``{recipe-fields}``: the fields of a recipe as a table, from the one that the recipe itself is made of."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from prunelab.recipe import Recipe, allowed, help_text


class RecipeFields(SphinxDirective):
    """A row for each field: name, default, what is allowed, meaning."""

    def run(self) -> list[nodes.Node]:
        recipe = Recipe()
        rows = ["| field | default | allowed | meaning |", "| --- | --- | --- | --- |"]
        for name, rule in allowed().items():
            default = "usual" if name in recipe.usual else f"`{recipe.to_dict()[name]!r}`"
            meaning = help_text(name).replace("|", "\\|")
            rows.append(f"| `{name}` | {default} | {rule} | {meaning} |")
        return self.parse_text_to_nodes("\n".join(rows))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("recipe-fields", RecipeFields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
