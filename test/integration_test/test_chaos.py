"""A short form of ``make chaos``: a few faults of each kind, with a seed that a failure names."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from mypy_boto3_s3 import S3Client
from support import storm
from support.bad_tables import BAD_TABLES
from support.checkout import Checkout
from support.databases import MISSING, find_postgresql
from support.recording_proxy import RecordingProxy
from support.storm import Attempt, Storm

pytestmark = pytest.mark.long

SEED = random.SystemRandom().randrange(10_000)
SCENARIOS: dict[str, Callable[[Storm], Iterator[Attempt]]] = {
    "kills": lambda each: storm.kill_at_random_moments(each, batch=True, workers=2, kills=1),
    "killed deliveries": lambda each: storm.kill_deliveries(each, kills=2),
    "killed snapshots": lambda each: storm.kill_snapshots(each, kills=2),
    "damages": lambda each: storm.damage_the_workspace(each, most=3),
    "replaced objects": lambda each: storm.damage_the_bucket(each, most=2),
    "weather": lambda each: storm.blow(each, "503", tries=1),
    "runs at once": lambda each: storm.run_at_once(each, processes=2, tries=1),
    "bad tables": lambda each: storm.feed_bad_tables(each, list(BAD_TABLES)[:3], to_train=False),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_published_is_right_in_any_storm(
    checkout: Checkout, s3: S3Client, proxy: RecordingProxy, scenario: str
) -> None:
    if scenario in ("killed deliveries", "killed snapshots") and find_postgresql() is None:
        pytest.skip(MISSING)
    attempts = list(SCENARIOS[scenario](Storm.create(checkout, s3, proxy, SEED)))

    assert attempts
    assert [(fault, seen) for fault, held, seen in attempts if not held] == [], f"seed {SEED}"
