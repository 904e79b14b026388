"""``prunelab workshop``: the lab for a room, served by one machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from prunelab import hardware
from prunelab.cli.dashboard import fetch_data, start_query
from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.errors import WorkshopError
from prunelab.lab.worker.limits import Limits, runs_of
from prunelab.serve import home, process, voila
from prunelab.workshop import address
from prunelab.workshop.command import Secrets, argv, environment
from prunelab.workshop.sizing import Size, size


def run(
    *,
    ip: str,
    port: int,
    places: int | None,
    pool: int | None,
    rest: float,
    limited: Limits,
    memory: int,
    token: str | None,
    public: str | None,
    link: str | None,
    open_browser: bool,
    verbose: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Serve a workshop until Ctrl-C or SIGTERM.

    rest: minutes that a lab may rest while others wait. memory: megabytes that a lab may take. token: that visitors
    must show; None: a new one, or none where only this machine can reach the server. public: the address under which
    visitors reach it; None: this machine's in its network. say, warn: print addresses, and words of warning.
    """
    if words := home.make_writable(os.environ):
        warn(words)
    try:
        room = size(hardware.memory(), os.cpu_count() or 1, places=places, pool=pool)
    except WorkshopError as error:
        raise CommandError(str(error), BAD_INPUT) from error
    if token is not None and not token.strip():
        raise CommandError("--token is empty: leave it out, and one is made", BAD_INPUT)
    if public is not None and not (urlsplit(public).scheme in ("http", "https") and urlsplit(public).netloc):
        raise CommandError(f"--address {public}: must be a whole address, as in https://lab.school.example/", BAD_INPUT)
    query = start_query(link)
    for recipe in runs_of(query):
        if beyond := limited.exceeded(recipe):
            name, value, most = beyond
            option = "--rounds" if name == "rounds" else "--epochs"
            raise CommandError(
                f"every lab would begin with {name} = {value}, and at most {most} are allowed: give a higher {option}, "
                f"or let labs begin with less, as in --link {name}={most}",
                BAD_INPUT,
            )
    if token is None:
        token = "" if address.is_loopback(ip) else secrets.token_urlsafe(6)
    host_token = secrets.token_urlsafe(18)
    number = process.chosen_port(port)
    fetch_data(query, warn)
    base = f"{public.rstrip('/')}/" if public else f"http://{address.reachable(ip)}:{number}/"
    invited = address.link(base, token)
    local = voila.HOST if ip in address.EVERYWHERE else ip
    secrets_of_it = Secrets(token, host_token, invited)
    env = environment(os.environ, local, secrets_of_it, limited, query)
    process.serve_until_stopped(
        argv(number, ip, room, rest=rest, memory=memory, base_url=urlsplit(base).path),
        env,
        url=address.link(base, host_token, "host"),
        probe=f"http://{local}:{number}{urlsplit(base).path}voila/static/voila.js",
        open_browser=open_browser,
        say=lambda url: say(announcement(invited, url, room)),
        verbose=verbose,
    )


def announcement(invited: str, host: str, room: Size) -> str:
    """What the host reads. invited: the visitors' address; host: the host's own."""
    labs = "1 lab waits" if room.pool == 1 else f"{room.pool} labs wait"
    return (
        f"{address.qr_for_terminal(invited)}\n\n"
        f"For visitors:  {invited}\n"
        f"For the host:  {host}   (keep it to yourself)\n\n"
        f"{room.places} {'place' if room.places == 1 else 'places'}, {labs} ready. Ctrl-C ends the workshop."
    )
