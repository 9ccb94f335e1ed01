"""Credentials are boto3's business: a role works like a user."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from support.checkout import CHAIN, PROJECT, Checkout

from pipeline_runner import embedded_s3

# The policy that the README asks for.
LEAST_PRIVILEGES = json.loads(
    re.search(r"```json\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    .group(1)
    .replace("YOUR-BUCKET", embedded_s3.BUCKET)
)
ROLE = "arn:aws:iam::000000000000:role/pipeline"
IAM = {
    "sts": {
        "tokenDuration": "1h",
        "maxSessionLength": "1h",
        "issuer": "seaweedfs-sts",
        "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
    },
    "policy": {"defaultEffect": "Deny", "storeType": "memory"},
    "policies": [{"name": "publish", "document": LEAST_PRIVILEGES}],
    "roles": [
        {
            "roleName": "pipeline",
            "roleArn": ROLE,
            "trustPolicy": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}],
            },
            "attachedPolicies": ["publish"],
        }
    ],
}


@pytest.fixture
def role(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a role that has just the permissions that the README asks for, on a server with STS."""
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
        credentials = sts.assume_role(RoleArn=ROLE, RoleSessionName="nightly")["Credentials"]
        yield {
            "BUCKET_NAME": embedded_s3.BUCKET,
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_DEFAULT_REGION": embedded_s3.REGION,
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }


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


def test_a_role_may_have_its_workspace_on_s3(checkout: Checkout, role: dict[str, str]) -> None:
    checkout.use_workspace(f"s3://{embedded_s3.BUCKET}/workspace")

    run = checkout.main("--workers", "2", **role)

    assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
    assert checkout.main(**role).tasks == []


def test_a_token_that_is_not_valid_is_refused_before_anything_runs(checkout: Checkout, role: dict[str, str]) -> None:
    run = checkout.main(**{**role, "AWS_SESSION_TOKEN": "expired"})

    assert run.exit_code == 50
    assert "check the credentials" in run.stderr
    assert not any(checkout.workspace.glob("*Task*"))
