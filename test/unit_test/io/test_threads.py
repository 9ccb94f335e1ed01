from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import lightgbm
import numpy as np
import pandas as pd
import pytest
import threadpoolctl

from gokart_pipeline_sample.io.lightgbm_model import predict_raw
from gokart_pipeline_sample.io.threads import call_interruptibly, count_threads, limit_threads

COUNT = "from gokart_pipeline_sample.io.threads import count_threads; print(count_threads())"
FORK = """
import os
from gokart_pipeline_sample.io.threads import count_threads
count = count_threads()
{before}
if process := os.fork():
    os._exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
print(count, count_threads(), count_threads(3), flush=True)
os._exit(0)
"""
# Where the kernel says what a container may use: its quota and the period that it is for, in microseconds.
AS_CONTAINER = """
mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/cpu && cd /sys/fs/cgroup || exit 77
printf '%s\\n' "$2" > "$1"; printf 100000 > cpu/cpu.cfs_period_us; shift 2; exec "$@"
"""


@pytest.fixture(autouse=True)
def _without_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("this machine lets nobody mount")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def count_openmp() -> set[int]:
    """Count the threads of LightGBM and scikit-learn; other tests may load pylignum, which is told the number."""
    pools = (pool for pool in threadpoolctl.threadpool_info() if "pylignum" not in pool["filepath"])
    return {pool["num_threads"] for pool in pools if pool["user_api"] == "openmp"}


class TestCountThreads:
    def test_are_no_more_than_those_of_this_process(self) -> None:
        assert 1 <= count_threads() <= len(os.sched_getaffinity(0))

    def test_are_those_of_its_affinity(self) -> None:
        one = str(min(os.sched_getaffinity(0)))
        assert run("taskset", "--cpu-list", one, sys.executable, "-c", COUNT) == "1"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
    @pytest.mark.parametrize(
        ("file", "content", "expected"),
        [
            pytest.param("cpu.max", "100000 100000", 1, id="one CPU"),
            pytest.param("cpu.max", "50000 100000", 1, id="half a CPU"),
            pytest.param("cpu.max", "max 100000", None, id="no quota"),
            pytest.param("cpu/cpu.cfs_quota_us", "100000", 1, id="one CPU in cgroup v1"),
            pytest.param("cpu/cpu.cfs_quota_us", "-1", None, id="no quota in cgroup v1"),
        ],
    )
    def test_are_those_of_the_quota_of_its_container(self, file: str, content: str, expected: int | None) -> None:
        command = ["unshare", "--mount", "sh", "-c", AS_CONTAINER, "sh", file, content, sys.executable, "-c", COUNT]
        assert int(run(*command)) == (expected or len(os.sched_getaffinity(0)))

    @pytest.mark.parametrize(("variable", "expected"), [("3", 3), ("5,2", 5), ("1", 1), ("0", None), ("many", None)])
    def test_are_those_of_the_variable(
        self, variable: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usual = count_threads()
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
        assert count_threads() == (expected or usual)

    def test_are_so_many_as_are_wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert count_threads(7) == count_threads(7, cells=10) == 7

    @pytest.mark.parametrize(("cells", "expected"), [(0, 1), (900, 1), (199_999, 1), (200_000, 2), (10**9, 4)])
    def test_are_fewer_for_a_small_table(self, cells: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        assert count_threads(cells=cells) == expected

    @pytest.mark.parametrize("before", ["import lightgbm", "from lightgbm import Booster"])
    def test_is_one_in_a_fork_where_openmp_may_wait_for_ever(self, before: str) -> None:
        _, *after = run(sys.executable, "-c", FORK.format(before=before)).split()
        assert after == ["1", "1"]

    @pytest.mark.parametrize("before", ["", "import numpy, pandas, sklearn"])
    def test_is_the_same_in_another_fork(self, before: str) -> None:
        count, *after = run(sys.executable, "-c", FORK.format(before=before)).split()
        assert after == [count, "3"]


class TestLimitThreads:
    def test_limits_openmp_and_restores_it(self) -> None:
        with limit_threads(7):
            assert count_openmp() == {7}
            with limit_threads(1):
                assert count_openmp() == {1}
            assert count_openmp() == {7}

    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_changes_neither_model_nor_predictions(self, threads: int) -> None:
        draws = np.random.default_rng(0)
        features = pd.DataFrame(draws.normal(size=(3000, 4)), columns=list("abcd"))
        target = draws.integers(0, 3, len(features))
        options = {"objective": "multiclass", "num_class": 3, "deterministic": True, "force_row_wise": True}

        def train(number: int) -> lightgbm.Booster:
            with limit_threads(number):
                return lightgbm.train({**options, "verbosity": -1}, lightgbm.Dataset(features, target), 10)

        expected, model = train(1), train(threads)
        assert model.model_to_string() == expected.model_to_string()
        assert "[num_threads: 0]" in model.model_to_string()
        one = predict_raw(expected, features, 1)
        assert one.tobytes() == predict_raw(model, features, threads).tobytes()


class TestCallInterruptibly:
    def test_returns_what_the_function_returns_in_another_thread(self) -> None:
        assert call_interruptibly(1, lambda one, two: (one, two), "a", two="b") == ("a", "b")
        assert call_interruptibly(1, threading.current_thread) is not threading.main_thread()

    def test_raises_what_the_function_raises(self) -> None:
        with pytest.raises(ValueError, match="no_number"):
            call_interruptibly(1, int, "no_number")

    def test_a_signal_ends_the_wait(self) -> None:
        freed = threading.Event()

        def hang() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            freed.wait()

        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                call_interruptibly(1, hang)
        finally:
            signal.signal(signal.SIGINT, handler)
            freed.set()

    def test_limits_openmp_in_its_thread_alone(self) -> None:
        before = count_openmp()
        assert call_interruptibly(7, count_openmp) == {7}
        assert count_openmp() == before
