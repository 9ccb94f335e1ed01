"""Kill a batch at random moments until it has been killed so many times, and see that nothing is lost.

python test/kill_and_resume.py [KILLS] [SEED]     (10 kills unless told otherwise)

Each batch is killed with SIGKILL and started again until it ends. After every request that changes S3 a reader follows
latest.json, and in the end all objects are compared with those of a batch that nobody killed.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.batch import RUN_BATCH, make_flowers, read_batch, read_objects
from support.checkout import Checkout, make_environment
from support.recording_proxy import RecordingProxy, recording

from pipeline_runner import embedded_s3

ROWS = 400_000


def run(checkout: Checkout, table: Path, proxy: RecordingProxy, kill_after: float | None = None) -> int:
    """Run the batch to its end, or for so many seconds, and return its exit code."""
    command = [sys.executable, str(checkout.directory / "main.py"), *RUN_BATCH]
    options = ["--table", str(table), "--rows-per-part", "20000", "--with-proba", "true"]
    environment = {**checkout.environment, "AWS_ENDPOINT_URL": proxy.endpoint}
    with subprocess.Popen(
        [*command, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            return process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def main(kills: int, seed: int) -> None:
    """Kill batches, and say how it went."""
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        s3, bucket = server.connect(), embedded_s3.BUCKET
        checkout = Checkout.create(Path(name) / "checkout", make_environment(**server.environment()))
        older, newer = (Path(name) / f"{rows}.parquet" for rows in (10, ROWS))
        for path in (older, newer):
            make_flowers(int(path.stem)).to_parquet(path, index=False)

        with recording(server.endpoint) as proxy:
            assert run(checkout, older, proxy) == 0
            begun = read_objects(s3, bucket)
            started = time.perf_counter()
            assert run(checkout, newer, proxy) == 0
            longest = time.perf_counter() - started
            reference = read_objects(s3, bucket)

            seen: list[int | AssertionError] = []

            def look(method: str = "PUT", _: str = "") -> None:
                if method == "PUT":
                    try:
                        seen.append(read_batch(s3, bucket).manifest["rows_in"])
                    except AssertionError as error:
                        seen.append(error)  # Raised here, it would only cut the connection.

            proxy.after = look
            killed = batches = 0
            while killed < kills:
                batches += 1
                for key in reference.keys() - begun.keys():
                    s3.delete_object(Bucket=bucket, Key=key)
                content, metadata = begun["batch/latest.json"]
                s3.put_object(Bucket=bucket, Key="batch/latest.json", Body=content, Metadata=metadata)
                for result in checkout.workspace.glob("GuardTableTask_*"):
                    result.unlink()
                while exit_code := run(checkout, newer, proxy, kill_after=generator.uniform(0.5, longest)):
                    assert exit_code == -signal.SIGKILL
                    killed += 1
                    look()
                assert read_objects(s3, bucket) == reference
                assert set(seen) == {10, ROWS}, seen
    print(
        f"{killed} kills in {batches} batches, the same {len(reference)} objects each time, {len(seen)} looks at them"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("10", "42")[len(sys.argv) - 1 :])))
