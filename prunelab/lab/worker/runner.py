"""The one thread that trains. It takes commands and gives states; nothing else touches the session.

Widget callbacks may run on any thread, so they only put a command on the queue. The runner checks the queue between
two batches, so that pause, a moved slider and a reset take effect at once.
"""

from __future__ import annotations

import atexit
import math
import queue
import threading
import time
from collections.abc import Callable

from prunelab.lab.messages import Command, LabState
from prunelab.lab.worker.command_handler import CommandHandler
from prunelab.lab.worker.limits import Limits
from prunelab.lab.worker.session_source import SessionSource
from prunelab.recipe import Recipe
from prunelab.sessions.session import Session

INTERACTIVE = ("preview", "read")  # the user waits for the result
SUPERSEDED = (*INTERACTIVE, "live")  # of several in a row only the last is done
# Pause in seconds without training after an interactive command: the page paints then, and on few cores it would be
# late beside a training network. Between two pauses training runs for at least as long, however fast the input is.
COURTESY = 0.06


class Runner:
    """Runs the sessions of ``source`` on a thread.

    recipe: of the controls at the start. tell: called with every new state, on the runner's thread. measuring: measure
    bytes and latency after every run and retraining. deserted: whether no page shows the lab any more; then a run
    pauses. make_way: called before every batch, to wait for more urgent work.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: SessionSource,
        tell: Callable[[LabState], None],
        *,
        measuring: bool = True,
        deserted: Callable[[], bool] = lambda: False,
        make_way: Callable[[], object] = lambda: None,
    ) -> None:
        self._make_way = make_way
        self._commands: queue.Queue[Command] = queue.Queue()
        self._handler = CommandHandler(
            recipe, source, tell, measuring=measuring, waiting=lambda: not self._commands.empty(), deserted=deserted
        )
        self._rest = threading.Condition()
        self._open = 0  # commands that are not yet done
        self._busy = False  # whether batches are being computed
        self._resting_until = -math.inf  # end of the latest pause, in seconds of the monotonic clock
        self._ended = False
        self._thread = threading.Thread(target=self._loop, name="prunelab-runner", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        # A thread that is still inside torch when the interpreter exits would abort the process.
        atexit.register(self.end)
        self._thread.start()

    def end(self, timeout: float = 5.0) -> None:
        """Stop after the current batch, permanently, and wait up to ``timeout`` seconds for it."""
        atexit.unregister(self.end)
        self.submit(Command("stop"))
        if self._thread.is_alive():
            self._thread.join(timeout)

    def submit(self, command: Command) -> None:
        """Put a command on the queue; returns at once. Ignored after ``end``."""
        with self._rest:
            if self._ended:
                return
            self._open += 1
        self._commands.put(command)

    def limit(self, limits: Limits) -> None:
        """What runs may take from now on."""
        self._handler.limits = limits

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing is left to do (or paused, or ended); False if ``timeout`` seconds pass before that."""
        with self._rest:
            return self._rest.wait_for(lambda: self._ended or not (self._open or self._busy), timeout)

    @property
    def state(self) -> LabState:
        """The latest state."""
        return self._handler.state

    @property
    def session(self) -> Session | None:
        """The session. Use it only while the runner is idle."""
        return self._handler.session

    # On the runner's thread

    def _loop(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            with self._rest:
                self._ended = True
                self._rest.notify_all()
            self._handler.close()

    def _turn(self) -> bool:
        """Carry out a command or compute a batch. False after the command "stop"."""
        command, count = self._next()
        try:
            if command is None:
                self._make_way()
                self._handler.advance()
            elif command.action == "stop":
                return False
            else:
                self._handler.do(command)
                if command.action in INTERACTIVE and time.monotonic() > self._resting_until + COURTESY:
                    self._resting_until = time.monotonic() + COURTESY
        except Exception as error:  # errors are shown on the page; none may end this thread unnoticed
            self._handler.fail(error, ran=command is None)
        with self._rest:
            self._open -= count
            self._busy = self._handler.running
            self._rest.notify_all()
        return True

    def _next(self) -> tuple[Command | None, int]:
        """(next command, number of queued commands that it replaces); (None, 0) when a batch can be computed.

        Blocks while there is neither.
        """
        timeout = max(0.0, self._resting_until - time.monotonic()) if self._handler.running else None
        try:
            command = self._commands.get(block=timeout != 0, timeout=timeout)
        except queue.Empty:
            return None, 0
        count = 1
        while command.action in SUPERSEDED:
            with self._commands.mutex:
                following = self._commands.queue[0] if self._commands.queue else None
            if following is None or following.action != command.action:
                break
            command = self._commands.get_nowait()
            count += 1
        return command, count
