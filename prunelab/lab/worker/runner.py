"""The one thread that trains. Commands in, reports out; nothing else touches the session.

Widget callbacks run on threads nobody can predict, so they only put a command on the queue. Between any two batches
the runner looks at the queue: that is how pause, a moved slider and a reset take effect at once.
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
from prunelab.lab.worker.session_source import SessionSource
from prunelab.recipe import Recipe
from prunelab.sessions.session import Session

LOOKS = ("preview", "read")  # a hand asks to see something; of a row of these only the last matters
# Seconds in which nothing is computed after a hand has been answered: the page paints then, and on few cores it is late
# if a network trains beside it. At least as long is trained between two of these, however busy the hand.
COURTESY = 0.06


class Runner:
    """Runs the sessions of ``source``. ``tell`` is called with every report, on the runner's thread.

    measuring: measure bytes and latency whenever a run or a retraining has ended. deserted: whether nobody looks any
    more; then a run pauses. make_way: called before every batch, to wait for what is more urgent.
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
        self._open = 0  # commands that are not yet carried out
        self._busy = False  # batches are being computed
        self._resting_until = -math.inf
        self._ended = False
        self._thread = threading.Thread(target=self._loop, name="prunelab-runner", daemon=True)

    def start(self) -> None:
        # A thread inside torch when the interpreter ends would abort the process.
        atexit.register(self.end)
        self._thread.start()

    def end(self, timeout: float = 5.0) -> None:
        """Stop after the batch it is at, and wait for that; for good."""
        atexit.unregister(self.end)
        self.submit(Command("stop"))
        if self._thread.is_alive():
            self._thread.join(timeout)

    def submit(self, command: Command) -> None:
        """Ask for something; returns at once. After the end nothing is listened to any more."""
        with self._rest:
            if self._ended:
                return
            self._open += 1
        self._commands.put(command)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing is left to do (or paused, or ended); False if that took more than ``timeout`` seconds."""
        with self._rest:
            return self._rest.wait_for(lambda: self._ended or not (self._open or self._busy), timeout)

    @property
    def state(self) -> LabState:
        """The latest report."""
        return self._handler.state

    @property
    def session(self) -> Session | None:
        """The session; to be looked at only while the runner is idle."""
        return self._handler.session

    # On the runner's own thread

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
        """Carry out a command, or compute a batch. False when it is time to stop."""
        command, count = self._next()
        try:
            if command is None:
                self._make_way()
                self._handler.advance()
            elif command.action == "stop":
                return False
            else:
                self._handler.do(command)
                if command.action in LOOKS and time.monotonic() > self._resting_until + COURTESY:
                    self._resting_until = time.monotonic() + COURTESY
        except Exception as error:  # the page is where errors are read: nothing may end this thread unseen
            self._handler.fail(error)
        with self._rest:
            self._open -= count
            self._busy = self._handler.running
            self._rest.notify_all()
        return True

    def _next(self) -> tuple[Command | None, int]:
        """The next command, and how many it stands for; none when a batch can be computed. Sleeps if neither is."""
        courtesy = max(0.0, self._resting_until - time.monotonic()) if self._handler.running else None
        try:
            command = self._commands.get(block=courtesy != 0, timeout=courtesy)
        except queue.Empty:
            return None, 0
        count = 1
        while command.action in LOOKS:
            with self._commands.mutex:
                following = self._commands.queue[0] if self._commands.queue else None
            if following is None or following.action != command.action:
                break
            command = self._commands.get_nowait()
            count += 1
        return command, count
