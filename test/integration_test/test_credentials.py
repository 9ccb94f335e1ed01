"""Credentials are boto3's business: a role works like a user."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from support.checkout import CHAIN, PROJECT, Checkout

from pipeline_runner.local_s3 import embedded_s3

# The policy that the documentation asks for, and what it adds to clean a workspace on S3.
LEAST_PRIVILEGES, FOR_CLEANING = (
    json.loads(block.replace("YOUR-BUCKET", embedded_s3.BUCKET).replace("YOUR-PREFIX", "workspace"))
    for page in ("configuration.md", "growing.md")
    for block in re.findall(r"```json\n(.*?)```", (PROJECT / "docs" / page).read_text(), re.DOTALL)
)
STATEMENTS = {
    "publish": LEAST_PRIVILEGES["Statement"],
    "clean": [*LEAST_PRIVILEGES["Statement"], FOR_CLEANING],
}
ROLE = "arn:aws:iam::000000000000:role/"
IAM = {
    "sts": {
        "tokenDuration": "1h",
        "maxSessionLength": "1h",
        "issuer": "seaweedfs-sts",
        "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
    },
    "policy": {"defaultEffect": "Deny", "storeType": "memory"},
    "policies": [
        {"name": name, "document": {**LEAST_PRIVILEGES, "Statement": statements}}
        for name, statements in STATEMENTS.items()
    ],
    "roles": [
        {
            "roleName": name,
            "roleArn": f"{ROLE}{name}",
            "trustPolicy": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}],
            },
            "attachedPolicies": [name],
        }
        for name in STATEMENTS
    ],
}


@pytest.fixture
def assume(tmp_path: Path) -> Iterator[Callable[[str], dict[str, str]]]:
    """Returns the environment of a role that has just the permissions that docs/ asks for; its server has STS."""
    directory = tmp_path / "s3"
    directory.mkdir()
    (directory / "iam.json").write_text(json.dumps(IAM))
    with embedded_s3.running(directory, options=["-s3.iam.config=iam.json"]) as server:
        server.wait_until_ready()
        key_id, secret = server.access_key()
        sts = boto3.client(
            "sts",
            endpoint_url=server.endpoint,
            region_name=embedded_s3.REGION,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
        )

        def assume_role(name: str) -> dict[str, str]:
            credentials = sts.assume_role(RoleArn=f"{ROLE}{name}", RoleSessionName="nightly")["Credentials"]
            return {
                "BUCKET_NAME": embedded_s3.BUCKET,
                "AWS_ENDPOINT_URL": server.endpoint,
                "AWS_DEFAULT_REGION": embedded_s3.REGION,
                "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
                "AWS_SESSION_TOKEN": credentials["SessionToken"],
            }

        yield assume_role


@pytest.fixture
def role(assume: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return assume("publish")


def test_a_role_with_the_least_privileges_publishes(
    published_once: Checkout, role: dict[str, str], tmp_path: Path
) -> None:
    checkout = published_once.copy(tmp_path / "checkout", **role)

    run = checkout.main()
    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"]), run.stderr
    assert checkout.main().tasks == []

    elsewhere = checkout.main("--gokart-pipeline-sample.UploadS3Task-bucket", "not-mine")
    assert elsewhere.exit_code == 50
    for output in (run.stdout + run.stderr, elsewhere.stdout + elsewhere.stderr):
        assert role["AWS_SECRET_ACCESS_KEY"] not in output
        assert role["AWS_SESSION_TOKEN"] not in output


@pytest.mark.long
def test_a_role_may_have_its_workspace_on_s3(checkout: Checkout, assume: Callable[[str], dict[str, str]]) -> None:
    role, cleaner = assume("publish"), assume("clean")
    checkout.use_workspace(f"s3://{embedded_s3.BUCKET}/workspace")

    run = checkout.main("--workers", "2", **role)
    assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
    assert checkout.main(**role).tasks == []

    clean = ("--clean", "--keep", "1", "--min-age", "0", "--yes")
    assert checkout.main("--require-acc", "0.8", **role).exit_code == 0
    refused, cleaned = checkout.main(*clean, **role), checkout.main(*clean, **cleaner)
    assert refused.exit_code == 2
    assert "S3 refuses to delete it: check the credentials" in refused.stderr
    assert cleaned.exit_code == 0, cleaned.stderr
    assert "/workspace/CheckAccuracyTask_" in cleaned.stdout


def test_a_workspace_that_is_forbidden_is_refused_before_anything_runs(
    checkout: Checkout, role: dict[str, str]
) -> None:
    checkout.use_workspace("s3://not-mine/workspace")

    run = checkout.main(**role)

    assert (run.exit_code, run.tasks) == (50, [])
    assert re.match(
        r"error: \w+Task: s3://not-mine/workspace/\S+: S3 refuses to look at it: check the credentials, and that they ",
        run.stderr.splitlines()[-1],
    )


def test_a_token_that_is_not_valid_is_refused_before_anything_runs(checkout: Checkout, role: dict[str, str]) -> None:
    run = checkout.main(**{**role, "AWS_SESSION_TOKEN": "expired"})

    assert run.exit_code == 50
    assert "check the credentials" in run.stderr
    assert not any(checkout.workspace.glob("*Task*"))
