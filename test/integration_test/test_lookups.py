"""A lookup is an input: what has been learned with other content is neither up to date nor used."""

from __future__ import annotations

import re
from io import BytesIO

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, RUN_BATCH, read_batch
from support.champion import SCORE, TRAIN, read_champion, use_noisy_table
from support.checkout import CHAIN, Checkout
from support.reference import make_noisy_table
from support.weighed import make_weights, weigh

OPTION = "--gokart-pipeline-sample.PreprocessTask-lookups"
TABLE = make_noisy_table()


@pytest.fixture
def weighed(checkout: Checkout) -> Checkout:
    use_noisy_table(checkout)
    weigh(checkout)
    put_weights(checkout, 0)
    return checkout


def put_weights(checkout: Checkout, shift: int) -> None:
    make_weights(TABLE, shift).to_csv(checkout.directory / "weights.csv", index=False)


def read_output(checkout: Checkout, s3: S3Client) -> pd.DataFrame:
    return pd.read_csv(
        BytesIO(s3.get_object(Bucket=checkout.environment["BUCKET_NAME"], Key="output.csv")["Body"].read())
    )


@pytest.mark.long
def test_another_content_is_another_input(weighed: Checkout, s3: S3Client) -> None:
    bucket = weighed.environment["BUCKET_NAME"]
    assert weighed.main().tasks == CHAIN
    before = read_output(weighed, s3)
    s3.upload_file(str(weighed.directory / "weights.csv"), bucket, "lookups/weights.csv")
    from_s3 = (OPTION, f'{{"weights": "s3://{bucket}/lookups/weights.csv"}}')
    assert weighed.main(*from_s3).tasks == CHAIN[1:]
    assert weighed.main(*from_s3).tasks == []
    assert read_output(weighed, s3).equals(before)

    put_weights(weighed, 1)
    plan = weighed.main("--plan").stdout.splitlines()
    assert [line.split()[0] for line in plan[1:]] == CHAIN[1:]
    changed = r'PreprocessTask +parameter changed: lookups {"weights": "(\w{16})"} → {"weights": "(?!\1)\w{16}"}'
    assert re.fullmatch(changed, plan[1]), plan[1]
    assert weighed.main().tasks == CHAIN[1:]
    assert not read_output(weighed, s3).equals(before)


@pytest.mark.long
def test_a_champion_that_has_learned_with_other_content_is_not_used(weighed: Checkout, s3: S3Client) -> None:
    bucket = weighed.environment["BUCKET_NAME"]
    assert weighed.main(*TRAIN).exit_code == 0
    first = read_champion(s3, bucket)
    scored = weighed.main(*SCORE)
    assert (scored.exit_code, scored.tasks) == (0, BATCH_CHAIN), scored.stderr
    published = read_batch(s3, bucket).published

    put_weights(weighed, 1)
    refused = weighed.main(*SCORE)
    assert (refused.exit_code, refused.tasks) == (50, [])
    assert refused.stderr.splitlines()[-1] == (
        "error: ScoreChampionTask: a lookup has changed since the champion was trained: "
        "train another (TrainChampionTask)"
    )
    assert weighed.main(*TRAIN).exit_code == 0
    second = read_champion(s3, bucket)
    decision = "promoted: the champion cannot predict any more, because a lookup has changed"
    assert (second.name == first.name, second.pointer["decision"]) == (False, decision)
    assert weighed.main(*SCORE).tasks == BATCH_CHAIN
    assert read_batch(s3, bucket).published["id"].equals(published["id"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{}", "error: lookups is {}, and LOOKUPS in preprocess.py names ['weights']: name the same"),
        ('{"weights": "nowhere.csv"}', "nowhere.csv: No such file or directory"),
    ],
)
def test_a_lookup_that_is_not_there_is_an_error_before_anything_runs(
    weighed: Checkout, value: str, message: str
) -> None:
    run = weighed.main(*RUN_BATCH, "--table", "new.csv", OPTION, value)
    assert run.tasks == []
    assert run.exit_code in (2, 50)
    assert message in run.stderr.splitlines()[-1]
