"""Runs a student's function so that nothing it does can harm the notebook: endless loops, exits, questions, floods.

It runs in a thread of its own, because only a thread can be ended from outside without the main thread's signals (which
an interrupt of the kernel needs). This is no protection from malice: a student's own kernel is the student's.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import dis
import functools
import linecache
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Literal

import torch

NAME = "prunelab-check"  # of the threads
SECONDS = 5.0  # that one call may take: far more than any exercise needs, also on a busy machine
FIRST_PATIENCE = 0.2  # seconds for a call that took too long to end by itself when it is told to
PATIENCE = 2.0  # seconds after that, in which it is told again and again
MOST_PRINTED = 2000  # characters
MOST_FRAMES = 50  # of an error's traceback, from its end
MOST_WORDS = 300  # characters of an error's message

RAISE = dis.opmap["RAISE_VARARGS"]

Ending = Literal["returned", "not implemented", "raised", "too long", "inside"]


@dataclass(frozen=True)
class Call:
    """How a call ended.

    ending: "inside" is a check called by a function that is being checked. value: what it returned, if it did. words:
    the error, if it raised one. printed: to stdout and stderr. goes_on: it took too long, and could not be ended.
    """

    ending: Ending
    value: Any = None
    words: str = ""
    printed: str = ""
    goes_on: bool = False


class TimeIsUp(BaseException):
    """Raised within a call that took too long. Not an Exception: ``except Exception`` is not to swallow it."""


class Asked(RuntimeError):
    """Raised by ``input`` within a call: nobody is there to answer."""


_one = threading.Lock()  # one call at a time: output and input are the process's


def call(work: Callable[[], Any], *, code: CodeType | None = None, seconds: float = SECONDS) -> Call:
    """Call ``work`` in a thread, and end it after ``seconds``.

    Nothing that it raises reaches the caller, SystemExit and KeyboardInterrupt included. torch's global random state is
    left as it was; warnings are not shown. An interrupt of the kernel ends the call, and is raised here.

    code: of the function whose lines an error names.
    """
    if isinstance(threading.current_thread(), _Worker):
        return Call("inside")
    with _one:
        worker = _Worker(work, code)
        with torch.random.fork_rng(devices=[]), _quiet(), _routed(worker):
            try:
                worker.start()
                worker.over.wait(seconds)
            finally:  # also when the kernel was interrupted
                late = not worker.over.is_set()
                if late:
                    worker.end()
        if late:
            return Call("too long", printed=worker.printed.text, goes_on=not worker.over.is_set())
        return Call(worker.ending, worker.value, worker.words, worker.printed.text)


class _Worker(threading.Thread):
    def __init__(self, work: Callable[[], Any], code: CodeType | None) -> None:
        super().__init__(daemon=True, name=NAME)
        self._work, self._code = work, code
        self._lock = threading.Lock()
        self._busy = True  # changes under the lock: nothing is raised within this thread after the call
        self.over = threading.Event()  # not join(), which takes a thread for ended when it is interrupted
        self.printed = _Printed()
        self.value: Any = None
        self.words = ""
        self.ending: Ending = "raised"

    def run(self) -> None:
        ident, begun = threading.get_ident(), False
        while self._busy:
            try:
                if not begun:
                    begun = True
                    self._call()
                with self._lock:
                    self._busy = False
            except TimeIsUp:
                _clear(ident, None)  # the first call here, and none of Python's: the next one would be raised within it
                self.ending = "too long"
        self.over.set()

    def _call(self) -> None:
        try:
            self.value = self._work()
            self.ending = "returned"
        except TimeIsUp:
            raise
        except BaseException as error:
            if isinstance(error, NotImplementedError) and _by_a_statement(error):
                self.ending = "not implemented"
            self.words = described(error, self._code)

    def end(self) -> None:
        """Raise TimeIsUp within the call; where it is swallowed (``except:``), again and again until the call ends."""
        if self.ident is None:  # interrupted before the thread had begun; it will not
            self._busy = False
            return
        for error, patience in ((TimeIsUp, FIRST_PATIENCE), (_relentless(self.ident), PATIENCE)):
            with self._lock:
                if self._busy:
                    _raise_in(self.ident, error)
            self.over.wait(patience)


_SET = ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
_raise_in = ctypes.PYFUNCTYPE(None, ctypes.c_ulong, ctypes.py_object)(_SET)
_clear = ctypes.PYFUNCTYPE(None, ctypes.c_ulong, ctypes.c_void_p)(_SET)  # with None: what is on its way does not arrive


def _relentless(ident: int) -> type[TimeIsUp]:
    """A TimeIsUp that has the next one under way in the thread when it arrives there.

    Python makes the instance when the exception arrives, or when it is caught. ``__init__`` is no Python function:
    within one, the next exception would already be raised.
    """
    error: type[TimeIsUp] = type("TimeIsUp", (TimeIsUp,), {})
    error.__init__ = staticmethod(functools.partial(_raise_in, ident, error))  # type: ignore[method-assign]
    return error


class _Printed:
    """The beginning of what was printed; the rest of a flood takes no memory."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        if len(self.text) < MOST_PRINTED:
            self.text = (self.text + text)[:MOST_PRINTED]
        return len(text)


class _Routed:
    """A stream that keeps what the worker prints, and passes on what all other threads do."""

    def __init__(self, stream: Any, worker: _Worker) -> None:
        self._stream, self._worker = stream, worker

    def write(self, text: str) -> int:
        if threading.current_thread() is self._worker:
            return self._worker.printed.write(text)
        return int(self._stream.write(text) or 0)

    def flush(self) -> None:
        if threading.current_thread() is not self._worker:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _routed(worker: _Worker) -> Iterator[None]:
    """Within the block, the worker's output is kept, and ``input`` raises within it."""
    streams, ask = (sys.stdout, sys.stderr), builtins.input

    def answer(prompt: object = "", /) -> str:
        if threading.current_thread() is worker:
            raise Asked("the function asks for input; it is to use its arguments only")
        return ask(prompt)

    sys.stdout, sys.stderr = (_Routed(stream, worker) for stream in streams)
    builtins.input = answer
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        builtins.input = ask


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Within the block no warning is shown, nor raised: what a warning is about, the check itself says better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _by_a_statement(error: BaseException) -> bool:
    """Whether a ``raise`` made the error. torch's kernels raise NotImplementedError for types that they lack."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_code[last.tb_lasti] == RAISE


def described(error: BaseException, code: CodeType | None = None) -> str:
    """An error as "ZeroDivisionError: division by zero, in line 2: x / 0". Never raises, whatever the error is."""
    name = type.__dict__["__name__"].__get__(type(error))  # a metaclass may have another idea of it
    try:
        text = " ".join(str.split(str(error)))
    except TimeIsUp:
        raise
    except BaseException:  # the student's own error, whose text may do anything
        text = ""
    words = f"{name}: {_clipped(text.rstrip('.'))}" if text else str(name)
    frames = traceback.extract_tb(error.__traceback__, limit=-MOST_FRAMES) if code else ()
    lines = [
        frame.lineno for frame in frames if code and (frame.filename, frame.name) == (code.co_filename, code.co_name)
    ]
    if not lines or code is None or lines[-1] is None:
        return words
    number = lines[-1] - code.co_firstlineno + 1
    source = linecache.getline(code.co_filename, lines[-1]).strip()
    return f"{words}, in line {number} of the function" + (f": `{_clipped(source)}`" if source else "")


def _clipped(text: str) -> str:
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 3] + "..."
