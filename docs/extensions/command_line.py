"""``{command} run``: usage and options of a command, from the program itself, so that none is missing."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command

from prunelab.cli.app import app as program


class Command(SphinxDirective):
    """What ``prunelab COMMAND --help`` says, each option with an anchor and an entry in the search."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        commands = get_command(program).commands
        if name not in commands:
            raise self.error(f"prunelab has no command {name!r}; known are {', '.join(commands)}")
        command, called = commands[name], f"prunelab {name}"
        context = command.make_context(called, [], resilient_parsing=True)
        usage = " ".join(command.collect_usage_pieces(context))
        parts = [command.help, f"```sh\n{called} {usage}\n```", f"```{{program}} {called}\n```"]
        for parameter in command.get_params(context):
            if (record := parameter.get_help_record(context)) is not None:
                names, meaning = record[0].strip().replace(" / ", ", "), record[1]  # commas are what Sphinx knows
                parts.append(f"```{{option}} {names}\n{meaning}\n```")
        return self.parse_text_to_nodes("\n\n".join(parts))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command", Command)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
