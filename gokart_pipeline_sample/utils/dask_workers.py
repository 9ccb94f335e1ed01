"""The workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import functools
import platform
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

from gokart_pipeline_sample.errors import ClusterError, PipelineError
from gokart_pipeline_sample.io.s3 import s3_client
from gokart_pipeline_sample.utils.mapping import POLL_SECONDS, Workers
from gokart_pipeline_sample.utils.task_definition import define_task, get_version, hash_code

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")
T = TypeVar("T")

# Each thread of a worker has a piece to go on with.
_PIECES_PER_THREAD = 2
_CONNECT_SECONDS = 4
_ANSWER_SECONDS = 6
_LIBRARIES = ("dask", "distributed", "lightgbm", "numpy", "pandas", "pandera", "pyarrow", "scikit-learn", "scipy")
_CODE = "the code"
_S3 = "the S3"
_ADVICE = "give scheduler and workers the environment of this run, and restart them after a change"
_LOCAL_S3 = "the embedded S3 serves this machine alone: set BUCKET_NAME to a bucket that the workers reach, too"
_LOST = "the connection to the Dask scheduler is lost"


class DaskWorkers(Workers):
    """The workers of a cluster; those that join later are used, too, if they are like this process.

    Args:
        client: is connected to the scheduler.
        timeout: seconds without any worker after which the work fails.
        task_class: the class of the task whose work it is.
        bucket: name of a bucket that the workers must reach, if there is one.
    """

    are_elsewhere = True

    def __init__(self, client: Client, timeout: float, task_class: type, bucket: str) -> None:
        super().__init__(client.get_executor(pure=False), 1)
        self._client, self._timeout = client, timeout
        self._call = functools.partial(_call_checked, describe_worker(task_class), task_class, bucket)
        self._next_look = self._last_seen = time.monotonic()
        self._look_after()

    def map(self, *arguments: Any) -> Iterator[tuple[int, Any]]:
        """Call a function for each piece; see :meth:`Workers.map`."""
        from distributed.scheduler import KilledWorker

        try:
            yield from super().map(*arguments)
        except CancelledError as error:
            raise ClusterError(f"{_LOST}: look at its log, and run again") from error
        except KilledWorker as error:
            raise ClusterError(f"one piece of the work has ended each Dask worker that took it up: {error}") from error

    def wait_for_addresses(self) -> list[str]:
        """Return the addresses of the workers that are there, as soon as there is one.

        Raises:
            ClusterError: there is none in time.
        """
        try:
            self._client.wait_for_workers(1, timeout=self._timeout)
        except TimeoutError:
            raise self._lack_of_workers() from None
        return sorted(self._client.nthreads())

    def call_on(self, address: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function on a worker, beside the work that it does.

        Raises:
            ClusterError: it is lost, or does not answer in time.
        """
        try:
            answers = limit_time(self._timeout, lambda: self._client.run(function, *arguments, workers=[address]))
            result: Result = answers[address]
        except (CancelledError, OSError, LookupError) as error:
            raise ClusterError(f"the Dask worker {address} does not answer ({error!r})") from error
        return result

    def call_together(self, function: Callable[[T], Result], arguments: dict[str, T]) -> list[Result]:
        """Call a function on several workers that need each other.

        Args:
            function: a function of a module.
            arguments: its argument for each worker, by address.

        Raises:
            ClusterError: one of them is lost; the others are told to end.
        """
        futures: list[Future[Result]] = [
            self._client.get_executor(pure=False, workers=[address]).submit(function, argument)
            for address, argument in arguments.items()
        ]
        waiting = set(futures)
        try:
            while waiting:
                done, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    future.result()
                if lost := arguments.keys() - self._client.nthreads().keys():
                    raise ClusterError(f"the Dask worker {min(lost)} is lost")
            return [future.result() for future in futures]
        except (CancelledError, OSError) as error:
            raise ClusterError(f"{_LOST}: look at its log, and run again") from error
        finally:
            for future in futures:
                future.cancel()

    def _share(self, value: Any) -> Any:
        # The result of a task, unlike scattered data, is made again if all workers that have it are lost.
        return self._client.submit(_return, value, pure=False)

    def _submit(self, function: Callable[..., Result], shared: Any, piece: Any) -> Future[Result]:
        return self._executor.submit(self._call, function, shared, piece)

    def _look_after(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + POLL_SECONDS
        try:
            threads = sum(self._client.nthreads().values())
        except OSError as error:
            raise ClusterError(f"{_LOST}: look at its log, and run again") from error
        if threads:
            self._limit, self._last_seen = _PIECES_PER_THREAD * threads, now
        elif now - self._last_seen > self._timeout:
            raise self._lack_of_workers()

    def _lack_of_workers(self) -> ClusterError:
        return ClusterError(
            f"the Dask cluster has had no worker for {self._timeout:g} s (see dask_timeout): "
            "start some and run again, what has been put is kept"
        )


def _return(value: T) -> T:
    return value


def _call_checked(
    expected: dict[str, str], task_class: type, bucket: str, function: Callable[..., Result], shared: Any, piece: Any
) -> Result:
    """Call a function on a worker, which may have joined after the others were checked."""
    if differences := explain_differences(describe_worker(task_class, bucket), expected):
        raise ClusterError(f"a Dask worker has {differences}: {_ADVICE}")
    return function(shared, piece)


@contextlib.contextmanager
def connecting(address: str, timeout: float, task_class: type, bucket: str) -> Iterator[DaskWorkers]:
    """Provide the workers of a cluster; an error or a signal makes it forget the pieces that it has not begun.

    Args:
        address: address of the scheduler.
        timeout: see :class:`DaskWorkers`.
        task_class: see :class:`DaskWorkers`.
        bucket: see :class:`DaskWorkers`.

    Raises:
        ClusterError: it cannot be used; the message says why, within ten seconds.
    """
    client = _connect(address)
    try:
        _check(client, address, timeout, task_class, bucket)
        yield DaskWorkers(client, timeout, task_class, bucket)
    finally:
        client.close()


def _connect(address: str) -> Client:
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ClusterError('dask_scheduler is set, but Dask is not installed: install the extra "dask"') from error
    # A chunk of a table that only this machine can read is larger than the warning's ten megabytes.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    try:
        return limit_time(_ANSWER_SECONDS, lambda: Client(address, set_as_default=False, timeout=_CONNECT_SECONDS))
    except Exception as error:
        advice = "correct dask_scheduler, or start the scheduler"
        raise ClusterError(f"{address}: no Dask scheduler answers there: {advice} ({error})") from error


def _check(client: Client, address: str, timeout: float, task_class: type, bucket: str) -> None:
    """Raise a ClusterError unless there are workers, which are like this process, and so is the scheduler."""
    expected = describe_worker(task_class)
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError:
        raise ClusterError(f"{address}: the Dask scheduler has no workers: start some") from None
    try:
        answer = limit_time(timeout, lambda: client.run_on_scheduler(describe_process, task_class))
        answers = {"the scheduler": answer}
    except Exception as error:
        answers = {"the scheduler": error}
    try:
        found = limit_time(timeout, lambda: client.run(describe_worker, task_class, bucket, on_error="return"))
    except TimeoutError as error:
        raise ClusterError(f"{address}: not all Dask workers answer: end those that hang ({error})") from error
    for who, answer in (answers | {f"the worker {worker}": answer for worker, answer in found.items()}).items():
        if isinstance(answer, PipelineError):
            raise ClusterError(f"{address}: {who}: {answer}") from answer
        if isinstance(answer, Exception):
            raise ClusterError(f"{address}: {who} cannot describe itself: {_ADVICE} ({answer!r})") from answer
        if differences := explain_differences(answer, expected):
            is_local = differences.startswith(_S3) and "//127.0.0.1:" in expected[_S3]
            raise ClusterError(f"{address}: {who} has {differences}: {_LOCAL_S3 if is_local else _ADVICE}")


def explain_differences(found: dict[str, str], expected: dict[str, str]) -> str:
    """Return what a process has instead of what it should have; nothing if it is like this one."""
    return ", ".join(
        f"{name} {value} instead of {expected[name]}" for name, value in found.items() if value != expected[name]
    )


@functools.cache
def describe_process(task_class: type) -> dict[str, str]:
    """Return the versions of a process, and a hash of the code that a task uses there."""
    code = hash_code(define_task(task_class).serialize())
    return {"Python": platform.python_version(), **{name: get_version(name) for name in _LIBRARIES}, _CODE: code}


@functools.cache
def describe_worker(task_class: type, bucket: str = "") -> dict[str, str]:
    """Return that of a process that uses S3, and the S3 that it uses.

    Args:
        task_class: the class of the task.
        bucket: name of a bucket to look at, if it has to be there.
    """
    with s3_client(f"s3://{bucket}", "look at it") as client:
        if bucket:
            client.head_bucket(Bucket=bucket)
        return {**describe_process(task_class), _S3: client.meta.endpoint_url}


def limit_time(seconds: float, function: Callable[[], T]) -> T:
    """Call a function that may never return, as Dask's client does with the address of another kind of server.

    Raises:
        TimeoutError: it takes longer.
    """
    outcome: queue.SimpleQueue[T | BaseException] = queue.SimpleQueue()

    def call() -> None:
        try:
            outcome.put(function())
        except BaseException as error:
            outcome.put(error)

    threading.Thread(target=call, daemon=True).start()
    try:
        result = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if isinstance(result, BaseException):
        raise result
    return result
