from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pipeline_runner import signals

IMPORTS = "import os, signal, sys\nfrom pipeline_runner.signals import *\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own: signal handlers and exits are for a whole process."""
    return subprocess.run(
        [sys.executable, "-c", IMPORTS + code], capture_output=True, text=True, timeout=60, check=False
    )


class TestHandlingSignals:
    @pytest.mark.parametrize(("status", "expected"), [("None", 0), ("0", 0), ("40", 40), ("'wrong'", 1)])
    def test_exits_with_the_status(self, status: str, expected: int) -> None:
        done = run(f"with handling_signals():\n    print('said')\n    sys.exit({status})")
        assert (done.returncode, done.stdout) == (expected, "said\n")
        assert done.stderr == ("wrong\n" if expected == 1 else "")

    @pytest.mark.parametrize("number", signals.STOP_SIGNALS)
    def test_exits_with_the_number_of_the_signal(self, number: signal.Signals) -> None:
        done = run(f"with handling_signals():\n    os.kill(os.getpid(), {number.value})\n    signal.pause()")
        assert done.returncode == 128 + number
        assert done.stderr == f"error: stopped by {number.name}: the next run goes on where this one stopped\n"

    def test_interrupts_again_what_swallows_an_interrupt(self) -> None:
        swallow = "    try:\n        os.kill(os.getpid(), 15)\n    except KeyboardInterrupt:\n        pass\n"
        assert run(f"with handling_signals():\n{swallow}    signal.pause()").returncode == 128 + signal.SIGTERM

    def test_a_forked_worker_ends_at_the_signal_itself(self) -> None:
        code = (
            "    child = os.fork()\n"
            "    if child == 0:\n        signal.pause()\n"
            "    os.kill(child, 15)\n"
            "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
            "    sys.exit(0)"
        )
        assert run(f"with handling_signals():\n{code}").stdout == "-15\n"

    def test_shows_where_another_error_comes_from(self) -> None:
        done = run("with handling_signals():\n    raise ValueError('no')")
        assert done.returncode == 1
        assert done.stderr.endswith("ValueError: no\n")


class TestIgnoreInterrupts:
    def test_reports_other_errors_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reported: list[object] = []
        monkeypatch.setattr(sys, "__unraisablehook__", reported.append)
        error, interrupt = (SimpleNamespace(exc_type=kind) for kind in (OSError, KeyboardInterrupt))
        signals._ignore_interrupts(interrupt)
        signals._ignore_interrupts(error)
        assert reported == [error]


class TestWaitForSignal:
    @pytest.mark.parametrize("number", signals.STOP_SIGNALS)
    def test_ends_with_the_signal_and_forgets_it(self, number: signal.Signals) -> None:
        # The interrupt would come again after a tenth of a second.
        code = "    wait_for_signal()\n    sys.exit(int(signal.getitimer(signal.ITIMER_REAL)[0] > 0))"
        command = [sys.executable, "-c", f"{IMPORTS}with handling_signals():\n{code}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "Ctrl-C stops it.\n"
            process.send_signal(number)
            assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


class TestEndWorkers:
    def test_leaves_none(self) -> None:
        code = (
            "    import multiprocessing\n"
            "    worker = multiprocessing.get_context('fork').Process(target=signal.pause)\n"
            "    worker.start()\n"
            "    end_workers()\n"
            "    print(worker.exitcode)\n"
            "    sys.exit(0)"
        )
        assert run(f"with handling_signals():\n{code}").stdout == f"{-int(signal.SIGKILL)}\n"
