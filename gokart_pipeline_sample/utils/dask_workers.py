"""The workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

from gokart_pipeline_sample.errors import ClusterError, PipelineError
from gokart_pipeline_sample.io.s3 import s3_client
from gokart_pipeline_sample.utils.mapping import POLL_SECONDS, Workers
from gokart_pipeline_sample.utils.task_definition import define_task, get_version, hash_code

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")

# Each thread of a worker has a piece to go on with.
_PIECES_PER_THREAD = 2
_CONNECT_SECONDS = 4
_LIBRARIES = ("dask", "distributed", "lightgbm", "numpy", "pandas", "pandera", "pyarrow", "scikit-learn", "scipy")
_S3 = "the S3"
_ADVICE = "give scheduler and workers the environment of this run, and restart them after a change"
_LOCAL_S3 = "the embedded S3 serves this machine alone: set BUCKET_NAME to a bucket that the workers reach, too"
_LOST = "the connection to the Dask scheduler is lost: look at its log, and run again"


class DaskWorkers(Workers):
    """The workers of a cluster; those that join later are used, too, if they pass the check."""

    are_elsewhere = True

    def __init__(self, client: Client, timeout: float, check: Callable[[], None]) -> None:
        super().__init__(functools.partial(client.get_executor(pure=False).submit, _call, check), 1)
        self._client, self._timeout, self._check = client, timeout, check
        self._last_seen = time.monotonic()
        self._look_after()

    def wait_for_addresses(self, count: int) -> list[str]:
        """Return the addresses of so many workers; raise a ClusterError if there are fewer after the time-out."""
        with contextlib.suppress(TimeoutError):
            self._client.wait_for_workers(count, timeout=self._timeout)
        addresses = sorted(self._list_threads())
        if len(addresses) < count:
            raise ClusterError(f"the Dask cluster has {len(addresses)} workers, {count} are needed: start more")
        return addresses[:count]

    def call_together(self, function: Callable[..., Result], arguments: dict[str, tuple[Any, ...]]) -> list[Result]:
        """Call a function on workers that need each other, with arguments by address; fail when one of them is lost."""
        futures: list[Future[Result]] = [
            self._client.get_executor(pure=False, workers=[address]).submit(_call, self._check, function, *own)
            for address, own in arguments.items()
        ]
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, POLL_SECONDS, FIRST_EXCEPTION)
            for future in done:
                future.result()
            # Dask would wait until they are back.
            if lost := arguments.keys() - self._list_threads().keys():
                raise ClusterError(f"the Dask worker {min(lost)} is lost: look at its log, and run again")
        return [future.result() for future in futures]

    def _share(self, value: Any) -> Any:
        # The result of a task, unlike scattered data, is made again if all workers that have it are lost.
        return self._client.submit(_return, value, pure=False)

    def _look_after(self) -> None:
        if threads := sum(self._list_threads().values()):
            self._limit, self._last_seen = _PIECES_PER_THREAD * threads, time.monotonic()
        elif time.monotonic() - self._last_seen > self._timeout:
            raise ClusterError(
                f"the Dask cluster has had no worker for {self._timeout:g} s (see dask_timeout): "
                "start some and run again, what has been put is kept"
            )

    def _list_threads(self) -> dict[str, int]:
        try:
            threads: dict[str, int] = self._client.nthreads()
        except OSError as error:
            raise ClusterError(_LOST) from error
        return threads


def _return(value: Result) -> Result:
    return value


def _call(check: Callable[[], None], function: Callable[..., Result], *arguments: Any) -> Result:
    # Dask goes on with a worker that joins later even if a plugin of it raises an error.
    check()
    return function(*arguments)


@contextlib.contextmanager
def connecting(address: str, timeout: float, task_class: type, bucket: str) -> Iterator[DaskWorkers]:
    """Provide the workers of a cluster; an error or a signal makes it forget the pieces that it has not begun.

    Args:
        address: address of the scheduler.
        timeout: seconds without any worker after which the work fails.
        task_class: the class of the task whose work it is.
        bucket: name of a bucket that the workers must reach, if there is one.

    Raises:
        ClusterError: the cluster cannot be used, or is lost.
    """
    try:
        import dask
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise ClusterError('dask_scheduler is set, but Dask is not installed: install the extra "dask"') from error
    # A chunk of a table that only this machine can read is larger than the warning's ten megabytes.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    check = functools.partial(require_likeness, describe_process(task_class), task_class, bucket)
    try:
        # A notebook has a running loop in its own thread.
        with ThreadPoolExecutor(1) as executor:
            executor.submit(asyncio.run, _try_cluster(address, timeout, check)).result()
        with Client(address, set_as_default=False, timeout=_CONNECT_SECONDS) as client:
            yield DaskWorkers(client, timeout, check)
    except CancelledError as error:
        raise ClusterError(_LOST) from error
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
            advice = "correct dask_scheduler, or start the scheduler"
            raise ClusterError(f"no Dask scheduler answers there: {advice} ({error!r})") from error
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
    """Raise a ClusterError if this process is not as :func:`describe_process` says; a scheduler does not use S3.

    Dask's client gives the worker that runs this.
    """
    who = f"the worker {dask_worker.address}" if dask_worker else "a Dask worker"
    if on_scheduler:
        who, bucket = "the scheduler", ""
        expected = {name: value for name, value in expected.items() if name != _S3}
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
