"""Signal handling, from the arrival of a signal to the exit status of the process."""

import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

HANGUP = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)  # nohup ignores it.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *HANGUP)
SIGNALLED = 128  # The exit status after a signal, as a shell gives it, is this and the number of the signal.

_block = functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOP_SIGNALS)
_unblock = functools.partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOP_SIGNALS)
_stop_repeating = functools.partial(signal.setitimer, signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def handling_signals() -> Iterator[None]:
    """Exit with the status of the SystemExit that the block raises, or with 128 + n after signal n."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    # Block signals during a fork, until the worker has its handlers.
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_end_at_signals)
    # Python reports and drops exceptions in callbacks such as those of a fork; _stop() raises the interrupt again.
    sys.unraisablehook = _ignore_interrupts
    try:
        yield
    except SystemExit as end:
        _exit(end.code)
    except KeyboardInterrupt as interrupt:
        _stop_repeating()
        name = signal.Signals(interrupt.args[0]).name
        print(f"error: stopped by {name}: the next run goes on where this one stopped", file=sys.stderr)
        _exit(SIGNALLED + interrupt.args[0])


def wait_for_signal() -> None:
    """Say that Ctrl-C stops it, and wait for a stop signal, which raises nothing as soon as that is said."""
    with contextlib.suppress(KeyboardInterrupt):
        print("Ctrl-C stops it.", flush=True)
        signal.pause()
    _stop_repeating()


def end_workers() -> None:
    """Kill the workers of a run that a signal has stopped; no further signal interrupts this."""
    _stop_repeating()
    for worker in multiprocessing.active_children():
        worker.kill()
        worker.join()


def _stop(number: int, _frame: object) -> None:
    """Raise a KeyboardInterrupt repeatedly: luigi lets it through, but its event handlers swallow it."""
    signal.signal(signal.SIGALRM, functools.partial(_interrupt, number))
    # Soon, because luigi would count a worker that the same signal has ended as a failed task.
    signal.setitimer(signal.ITIMER_REAL, 0.1, 1)
    _interrupt(number)


def _interrupt(number: int, *_: object) -> NoReturn:
    raise KeyboardInterrupt(number)


def _end_at_signals() -> None:
    """Let a signal end a worker at once: cleaning up is left to its parent."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _unblock()


def _ignore_interrupts(unraisable: "sys.UnraisableHookArgs") -> None:
    """Report an exception that could not be raised, unless it is an interrupt."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _exit(status: int | str | None) -> NoReturn:
    """Exit as sys.exit does, but at once: luigi's queue may be broken, and a thread of pyarrow still reading ahead."""
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)
