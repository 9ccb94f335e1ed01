"""Let whole runs meet faults, and see that the published rows are right afterwards, or that nothing was published.

python test/chaos.py [--seed SEED] [--share SHARE] [--scenario NUMBER]     (make chaos: all of it, in twenty minutes)

Prints a table: fault, tries, held. Ends with 1 if one did not hold, and says what was seen.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from support.checkout import Checkout, make_environment
from support.recording_proxy import recording
from support.storm import Attempt, Storm, scenarios

from pipeline_runner.local_s3 import embedded_s3

SCENARIOS = 29


def meet(number: int, seed: int, share: float) -> list[Attempt]:
    """Let one scenario happen, in a project, a server and a bucket of its own."""
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_s3.running(Path(name) / "s3") as server,
    ):
        server.wait_until_ready()
        with recording(server.endpoint) as proxy:
            checkout = Checkout.create(Path(name) / "checkout", make_environment(**server.environment()))
            storm = Storm.create(checkout, server.connect(), proxy, seed + number)
            attempts: list[Attempt] = []
            try:
                attempts.extend(scenarios(storm, share)[number])
            except Exception as error:  # The others go on.
                attempts.append((f"scenario {number}", False, repr(error)))
            return attempts


def main() -> int:
    """Let all scenarios happen, three at a time as some only wait, and print the table."""
    parser = argparse.ArgumentParser(description="Let whole runs meet faults.")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--share", type=float, default=1.0, help="share of the tries")
    parser.add_argument("--scenario", type=int, help="let this one happen alone, of 0 to 28")
    options = parser.parse_args()
    started = time.monotonic()
    attempts: list[Attempt] = []
    with ProcessPoolExecutor(3) as pool:
        numbers = range(SCENARIOS) if options.scenario is None else [options.scenario]
        for meeting in pool.map(meet, numbers, [options.seed] * SCENARIOS, [options.share] * SCENARIOS):
            attempts += meeting
            print(f"{time.monotonic() - started:.0f} s: {meeting[-1][0] if meeting else ''}", file=sys.stderr)
    tries: dict[str, list[bool]] = defaultdict(list)
    for fault, held, seen in attempts:
        tries[fault].append(held)
        if not held:
            print(f"did not hold: {fault}: {seen}", file=sys.stderr)
    print("| fault | tries | held |\n|---|---|---|")
    for fault, results in tries.items():
        print(f"| {fault} | {len(results)} | {sum(results)} |")
    kinds = {"kills": "SIGKILL", "damages": "is damaged", "objects": "is replaced", "storms": "S3:", "tables": "table"}
    counts = {name: sum(word in fault for fault, _, _ in attempts) for name, word in kinds.items()}
    print(f"\n{', '.join(f'{count} {name}' for name, count in counts.items())}; seed {options.seed}")
    print(f"{len(attempts)} tries in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0 if all(held for _, held, _ in attempts) else 1


if __name__ == "__main__":
    sys.exit(main())
