"""Whatever a student's function does, the call ends, and the notebook is as it was."""

import builtins
import io
import os
import signal
import sys
import threading
import warnings

import pytest
import torch

from prunelab.lessons import sandbox
from prunelab.lessons.sandbox import call


def spin():
    while True:
        pass


def swallow_exceptions():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def swallow_everything():
    while True:
        try:
            while True:
                pass
        except:  # noqa: E722
            pass


def swallow_everything_twice():
    while True:
        try:
            while True:
                try:
                    len("")
                except:  # noqa: E722
                    len("")
        except:  # noqa: E722
            try:
                len("")
            except:  # noqa: E722
                len("")


def swallow_and_go_on():
    try:
        spin()
    except BaseException:
        spin()
    finally:
        spin()


def loop_in_torch():
    x = torch.zeros(10)
    while True:
        x = x + 1


def flood():
    while True:
        print("again")


def raise_a_loop():
    class Endless(Exception):
        def __str__(self):
            return spin()

    raise Endless


ENDLESS = [
    spin,
    swallow_exceptions,
    swallow_everything,
    swallow_everything_twice,
    swallow_and_go_on,
    loop_in_torch,
    flood,
    raise_a_loop,
]


def checks_alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == sandbox.NAME]


def all_have_ended() -> bool:
    for thread in checks_alive():
        thread.join(60)
    return not checks_alive()


@pytest.mark.parametrize("function", ENDLESS)
def test_an_endless_loop_ends_with_its_thread(function) -> None:
    done = call(function, seconds=0.05)

    assert (done.ending, done.goes_on) == ("too long", False)
    assert all_have_ended()
    assert len(done.printed) <= sandbox.MOST_PRINTED


def test_what_waits_outside_of_python_is_left_behind_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "FIRST_PATIENCE", 0.01)
    monkeypatch.setattr(sandbox, "PATIENCE", 0.01)
    gate = threading.Lock()
    with gate:
        done = call(gate.acquire, seconds=0.01)  # as time.sleep does, but it can be let go
        assert (done.ending, done.goes_on) == ("too long", True)
        assert all(thread.daemon for thread in checks_alive())
    for thread in checks_alive():
        thread.join()


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), BaseException("x"), OSError(2, "no")]
)
def test_whatever_is_raised_is_words(error) -> None:
    def function():
        raise error

    done = call(function)

    assert done.ending == "raised"
    assert done.words.startswith(type(error).__name__)


def test_recursion_without_end_is_an_error_like_others() -> None:
    def function():
        return function()

    assert call(function).words.startswith("RecursionError")


def test_an_error_names_its_line_in_the_function() -> None:
    def function():
        x = 1
        return x / 0

    assert call(function, code=function.__code__).words == (
        "ZeroDivisionError: division by zero, in line 3 of the function: `return x / 0`"
    )


@pytest.mark.parametrize("wrong", [KeyError("x"), KeyboardInterrupt()])
def test_an_error_whose_text_raises_is_its_name(wrong) -> None:
    class Broken(Exception):
        def __str__(self):
            raise wrong

    def function():
        raise Broken

    assert call(function).words == "Broken"


def plainly():
    raise NotImplementedError("later")


def within_a_block():
    with torch.no_grad():
        raise NotImplementedError


def after_another_error():
    try:
        int("x")
    except ValueError as error:
        raise NotImplementedError("later") from error


@pytest.mark.parametrize("function", [plainly, within_a_block, after_another_error])
def test_not_implemented_is_told_apart(function) -> None:
    assert call(function).ending == "not implemented"


@pytest.mark.parametrize(
    "function",
    [
        lambda: torch.nn.functional.cross_entropy(torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, 2)),
        lambda: torch.zeros(2, 3, dtype=torch.int64).softmax(1),
        lambda: torch.ones(2, 2).to_sparse().sort(),
    ],
)
def test_what_torch_has_not_implemented_is_an_error_as_others_are(function) -> None:
    with pytest.raises(NotImplementedError):
        function()

    done = call(function)
    assert done.ending == "raised" and "NotImplementedError" in done.words


def test_output_is_kept_and_that_of_others_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def other():
        begun.wait()
        print("from elsewhere")
        go_on.set()

    def function():
        print("one")
        begun.set()
        go_on.wait()
        print("two", file=sys.stderr)
        sys.stdout.flush()

    thread = threading.Thread(target=other)
    thread.start()
    done = call(function)
    thread.join()

    assert done.printed == "one\ntwo\n"
    assert capsys.readouterr().out == "from elsewhere\n"


def test_input_is_refused_there_and_works_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", lambda prompt="": f"answered {prompt}")
    asked: list[str] = []

    def function():
        thread = threading.Thread(target=lambda: asked.append(input("?")))
        thread.start()
        thread.join()
        return input("?")

    done = call(function)

    assert done.ending == "raised"
    assert "asks for input" in done.words
    assert asked == ["answered ?"]
    assert input("!") == "answered !"


@pytest.mark.parametrize("function", [spin, lambda: 1 / 0, lambda: print("x"), lambda: torch.rand(3)])
def test_everything_is_as_it_was_afterwards(function) -> None:
    before = (sys.stdout, sys.stderr, builtins.input, list(warnings.filters), sys.getswitchinterval())
    random = torch.get_rng_state()

    call(function, seconds=0.05)

    assert (sys.stdout, sys.stderr, builtins.input, list(warnings.filters), sys.getswitchinterval()) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_warnings_are_not_shown_and_are_no_errors() -> None:
    done = call(lambda: float(torch.ones(1).std()))

    assert done.ending == "returned"
    assert done.printed == ""


def test_a_check_within_a_check_is_refused() -> None:
    assert call(lambda: call(lambda: 1)).value.ending == "inside"


def test_an_interrupt_of_the_kernel_ends_the_call_and_is_raised() -> None:
    def function():
        os.kill(os.getpid(), signal.SIGINT)
        spin()

    # As in a kernel: a process that was started in the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call(function, seconds=60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert all_have_ended()
    assert not isinstance(sys.stdout, sandbox._Routed)


def test_streams_that_print_elsewhere_keep_their_other_methods() -> None:
    def function():
        return sys.stdout.writable(), sys.stdout.encoding

    sys_stdout, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    try:
        assert call(function).value == (True, "latin-1")
    finally:
        sys.stdout = sys_stdout
