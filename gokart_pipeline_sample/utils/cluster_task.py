"""Tasks whose work is done by threads of this process or by the workers of a Dask cluster, with the same result."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import operator
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

import luigi

from gokart_pipeline_sample.errors import ClusterError, PipelineError
from gokart_pipeline_sample.io.s3 import s3_client
from gokart_pipeline_sample.utils.parameters import SchedulerParameter, T, share
from gokart_pipeline_sample.utils.task_definition import define_task, get_version, hash_code
from gokart_pipeline_sample.utils.template import GokartTask

if TYPE_CHECKING:
    from distributed import Client

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Its settings are those of all tasks that have none of their own.
_OWNER = "gokart_pipeline_sample.ScoreTableTask"
_SCHEDULER = SchedulerParameter("", significant=False, description="tcp:// or tls://HOST:PORT; this process if empty.")
_TIMEOUT: luigi.NumericalParameter[float] = luigi.NumericalParameter(
    default=60.0,
    var_type=float,
    min_value=1.0,
    max_value=86_400.0,
    significant=False,
    description="Seconds without any Dask worker after which the task fails.",
)
_POLL_SECONDS, _CONNECT_SECONDS = 1.0, 4
THREADS = 2  # One puts a part while the other one scores the next.
_LIBRARIES = ("dask", "distributed", "lightgbm", "numpy", "pandas", "pandera", "pyarrow", "scikit-learn", "scipy")
_S3 = "the S3"
_ADVICE = "give scheduler and workers the environment of this run, and restart them after a change"
_LOCAL_S3 = "the embedded S3 serves this machine alone: set BUCKET_NAME to a bucket that the workers reach, too"


class ClusterTask(GokartTask[T]):
    """A task that works in this process, or on the cluster of a Dask scheduler."""

    dask_scheduler: SchedulerParameter = share(_SCHEDULER, _OWNER, "dask_scheduler")
    dask_timeout: luigi.NumericalParameter[float] = share(_TIMEOUT, _OWNER, "dask_timeout")

    def start_workers(self, bucket: str = "") -> contextlib.AbstractContextManager[Workers]:
        """Provide what does the work; with a bucket, workers elsewhere must be able to reach it."""
        if self.dask_scheduler:
            return connecting(self.dask_scheduler, self.dask_timeout, type(self), bucket)
        return starting_threads()


class Workers:
    """Threads of this process."""

    def __init__(self, submit: Callable[..., Future[Any]]) -> None:
        self._submit = submit

    def map(self, function: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[tuple[int, Result]]:
        """Take pieces when there is room; yield the number of each, from 0, and the function's result as it arrives."""
        remaining, waiting = enumerate(pieces), dict[Future[Result], int]()
        while True:
            for number, piece in itertools.islice(remaining, max(0, self._find_room() - len(waiting))):
                waiting[self._submit(function, piece)] = number
            if not waiting:
                return
            for future in wait(waiting, _POLL_SECONDS, FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()

    def _find_room(self) -> int:
        return THREADS + 1  # One is ready for the thread that is done first.


class DaskWorkers(Workers):
    """The workers of a cluster; those that join later are used, too, if they pass the check."""

    def __init__(self, client: Client, timeout: float, check: Callable[[], None]) -> None:
        super().__init__(functools.partial(client.get_executor(pure=False).submit, operator.call))
        self._client, self._timeout, self._check, self._last_seen = client, timeout, check, time.monotonic()

    def map(self, function: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[tuple[int, Result]]:
        """Send the function once, as the result of a task, which is made again if it is lost, unlike scattered data."""
        call: Any = self._client.submit(functools.partial, _call, self._check, function, pure=False)
        return super().map(call, pieces)

    def call_together(self, count: int, function: Callable[..., Result], *arguments: Any) -> list[Result]:
        """Call a function on workers that need each other, with its number, all ``host:port`` (free), and arguments."""
        from distributed.comm.addressing import get_address_host
        from distributed.utils import open_port

        with contextlib.suppress(TimeoutError):
            self._client.wait_for_workers(count, timeout=self._timeout)
        workers = sorted(self._client.scheduler_info()["workers"])[:count]
        if len(workers) < count:
            raise ClusterError(f"the Dask cluster has {len(workers)} workers, {count} are needed: start more")
        ports = self._client.run(open_port, workers=workers)
        machines = [f"{get_address_host(worker)}:{ports[worker]}" for worker in workers]
        call = functools.partial(_call, self._check, function)
        futures: list[Future[Result]] = [
            self._submit(call, number, machines, *arguments, workers=[worker]) for number, worker in enumerate(workers)
        ]
        while (states := wait(futures, _POLL_SECONDS, FIRST_EXCEPTION)).not_done:
            for future in states.done:
                future.result()
            # Dask would wait until they are back.
            if lost := set(workers) - self._client.scheduler_info()["workers"].keys():
                raise ClusterError(f"the Dask worker {min(lost)} is lost: look at its log, and run again")
        return [future.result() for future in futures]

    def _find_room(self) -> int:
        threads: int = sum(worker["nthreads"] for worker in self._client.scheduler_info()["workers"].values())
        if threads:
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > self._timeout:
            advice = "start some and run again, what has been put is kept"
            raise ClusterError(f"the Dask cluster has had no worker for {self._timeout:g} s (dask_timeout): {advice}")
        return max(1, 2 * threads)  # Each thread of a worker has a piece to go on with.


def _call(check: Callable[[], None], function: Callable[..., Result], *arguments: Any) -> Result:
    # Dask goes on with a worker that joins later even if a plugin of it raises an error.
    check()
    return function(*arguments)


@contextlib.contextmanager
def starting_threads() -> Iterator[Workers]:
    """Provide the workers of this process; an error or a signal drops the pieces that no thread has begun."""
    executor = ThreadPoolExecutor(THREADS)
    try:
        yield Workers(executor.submit)
    finally:
        executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def connecting(address: str, timeout: float, task_class: type, bucket: str) -> Iterator[DaskWorkers]:
    """Provide a cluster's workers, which must reach the bucket, if any; forget what is not begun at an error or signal.

    Raise a ClusterError if it cannot be used, is lost, or has no worker for ``timeout`` seconds.
    """
    try:
        import dask
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise ClusterError('dask_scheduler is set, but Dask is not installed: install the extra "dask"') from error
    # A chunk of a table that only this machine can read is larger than the warning's ten megabytes.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    check = functools.partial(require_likeness, describe_process(task_class), task_class, bucket)
    # A notebook has a running loop in its own thread.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, _try_cluster(address, timeout, check)).result()
    try:
        with Client(address, set_as_default=False, timeout=_CONNECT_SECONDS) as client:
            yield DaskWorkers(client, timeout, check)
    except CancelledError as error:
        raise ClusterError("the connection to the Dask scheduler is lost: look at its log, and run again") from error
    except KilledWorker as error:
        raise ClusterError(f"one piece of the work has ended each Dask worker that took it up: {error}") from error


async def _try_cluster(address: str, timeout: float, check: Callable[..., None]) -> None:
    """Raise a ClusterError unless there are workers, which are like this process, and so is the scheduler."""
    from distributed import Client

    # Its annotations are those of a client that blocks.
    client: Any = Client(address, asynchronous=True, set_as_default=False, timeout=_CONNECT_SECONDS)
    try:
        try:
            # Dask waits for ever for another kind of server.
            await asyncio.wait_for(client, _CONNECT_SECONDS + 2)
        except Exception as error:
            raise ClusterError(f"no Dask scheduler answers: correct dask_scheduler, or start it ({error!r})") from error
        problem = "the Dask scheduler has no workers: start some"
        await client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        problem = f"not all Dask workers answer: end those that hang (no answer within {timeout:g} s)"
        await asyncio.wait_for(client.run(check), timeout)
        problem = "the Dask scheduler hangs: start it again"
        await asyncio.wait_for(client.run_on_scheduler(check, on_scheduler=True), timeout)
    except (TimeoutError, OSError):
        raise ClusterError(f"{address}: {problem}") from None
    except PipelineError as error:
        raise ClusterError(f"{address}: {error}") from error.__cause__
    except Exception as error:
        raise ClusterError(f"{address}: a process cannot describe itself: {_ADVICE} ({error!r})") from error
    finally:
        await client.close()


def require_likeness(
    expected: dict[str, str], task_class: type, bucket: str, dask_worker: Any = None, on_scheduler: bool = False
) -> None:
    """Raise a ClusterError unless this process is as expected; Dask gives its worker; a scheduler does not use S3."""
    who = f"the worker {dask_worker.address}" if dask_worker else "a Dask worker"
    if on_scheduler:
        who, bucket, expected = "the scheduler", "", {**expected, _S3: describe_process(task_class)[_S3]}
    found = describe_process(task_class, bucket)
    if different := [name for name, value in expected.items() if found[name] != value]:
        is_local = different == [_S3] and "//127.0.0.1:" in expected[_S3]
        differences = ", ".join(f"{name} {found[name]} instead of {expected[name]}" for name in different)
        raise ClusterError(f"{who} has {differences}: {_LOCAL_S3 if is_local else _ADVICE}")


@functools.cache
def describe_process(task_class: type, bucket: str = "") -> dict[str, str]:
    """Return the versions of this process, a hash of a task's code, and the S3, where the bucket must be, if any."""
    code = hash_code(define_task(task_class).serialize())
    with s3_client(f"s3://{bucket}", "look at it") as client:
        if bucket:
            client.head_bucket(Bucket=bucket)
        versions = {name: get_version(name) for name in _LIBRARIES}
        return {"Python": platform.python_version(), **versions, "the code": code, _S3: client.meta.endpoint_url}
