"""A message to Slack after each run, and runs that Slack changes in nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout, Run
from support.slack_server import SlackServer, playing_slack

from pipeline_runner.watch.slack import SECONDS

pytestmark = pytest.mark.long

TOKEN = "hunter2hunter2"  # noqa: S105
# A token that looks like one, and the end of another.
MISPLACED, SECOND_HALF = "xoxb-1234-hunter3", "second half"
CHANNEL = "#flowers"
REMEDY = "is missing: check the token, that the app is in the channel, and the network"
# What is sent through a proxy reaches no server of this machine.
NO_PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "")


@dataclass
class Project:
    """A project that publishes to a bucket of its own, and is up to date but for the object."""

    checkout: Checkout
    s3: S3Client
    expected: Run
    published: bytes

    def republish(self, *arguments: str, **variables: str) -> Run:
        """Delete the object, and run."""
        self.s3.delete_object(**self.address)
        return self.run(*arguments, **variables)

    def run(self, *arguments: str, **variables: str) -> Run:
        """Run, and look for a token in all that is printed or kept."""
        run = self.checkout.main(*arguments, **variables)
        files = [path for path in self.checkout.workspace.rglob("*") if path.is_file()]
        assert len(files) > 1
        for secret in (TOKEN, MISPLACED, SECOND_HALF):
            assert secret not in run.stdout + run.stderr
            assert [path for path in files if secret.encode() in path.read_bytes()] == []
        return run

    @property
    def address(self) -> dict[str, str]:
        return {"Bucket": self.checkout.environment["BUCKET_NAME"], "Key": "output.csv"}

    @property
    def url(self) -> str:
        return "s3://{Bucket}/{Key}".format(**self.address)

    def read(self) -> bytes:
        return self.s3.get_object(**self.address)["Body"].read()


@pytest.fixture(scope="module")
def project(
    published_once: Checkout,
    make_bucket: Callable[[], str],
    s3: S3Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """The project, which has run once before it has a channel to send to."""
    folder = tmp_path_factory.mktemp("slack") / "checkout"
    checkout = published_once.copy(folder, BUCKET_NAME=make_bucket(), **NO_PROXY)
    expected = checkout.main()
    assert (expected.exit_code, expected.tasks) == (0, ["UploadS3Task"])
    checkout.edit("conf/param.ini", "[core]", "[SlackConfig]\nchannel=${CHANNEL}\nto_user=@U123\n\n[core]")
    checkout.environment["CHANNEL"] = CHANNEL
    project = Project(checkout, s3, expected, b"")
    project.published = project.read()
    return project


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with playing_slack() as running:
        yield running


def warnings(run: Run) -> list[str]:
    return [line for line in run.stderr.splitlines() if " INFO " not in line]


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_run_sends_one_message(project: Project, slack: SlackServer, options: tuple[str, ...]) -> None:
    options = (*options, "--gokart-pipeline-sample.Report-write", "true")

    run = project.republish(*options, SLACK_TOKEN=TOKEN, SLACK_API_URL=slack.address)

    assert run.exit_code == 0, run.stderr
    report = max(project.checkout.workspace.glob("runs/*.html"))
    (message,) = slack.messages
    assert (slack.paths, message.authorization) == (["/api/chat.postMessage"], f"Bearer {TOKEN}")
    assert message.fields["channel"] == CHANNEL
    assert message.fields["text"].splitlines() == [
        "<@U123> gokart_pipeline_sample.RunTask: published",
        "accuracy: 1.0000 (required: more than 0.9)",
        "rows: 30",
        f"published: {project.url}",
        f"report: {report}",
    ]
    assert warnings(run) == []


def test_a_run_that_is_not_accurate_enough_sends_one_message(project: Project, slack: SlackServer) -> None:
    run = project.run("--require-acc", "1.0", SLACK_TOKEN=TOKEN, SLACK_API_URL=slack.address)

    assert run.exit_code == 40
    (message,) = slack.messages
    error = "CheckAccuracyTask: the accuracy 1.0 does not exceed the required 1.0: nothing is published"
    assert message.fields["text"].splitlines() == [
        "<@U123> gokart_pipeline_sample.RunTask: not accurate enough",
        f"error: {error}",
    ]
    assert run.stderr.splitlines()[-1] == f"error: {error}"


@pytest.mark.parametrize(
    ("answer", "remedy", "reason"),
    [
        ("invalid_auth", REMEDY, "{'ok': False, 'error': 'invalid_auth'})"),
        ("500", REMEDY, "<h1>Server Error</h1>"),
        ("garbage", REMEDY, r"\x1b[31m<html>"),
        ("another JSON", REMEDY, "(AttributeError)"),
        ("lost", REMEDY, "Remote end closed connection without response)"),
        ("refused", REMEDY, "Connection refused"),
        ("silence", f"may be missing: check the network, there is no answer for {SECONDS} s", ""),
    ],
)
def test_a_message_that_does_not_arrive_changes_nothing_but_is_said(
    project: Project, slack: SlackServer, answer: str, remedy: str, reason: str
) -> None:
    slack.answer = answer
    address = "http://127.0.0.1:9" if answer == "refused" else slack.address
    started = time.monotonic()

    run = project.republish(SLACK_TOKEN=TOKEN, SLACK_API_URL=address)

    assert time.monotonic() - started < SECONDS + 50  # It is silent for a minute.
    assert (run.exit_code, run.stdout, run.tasks) == (0, project.expected.stdout, project.expected.tasks)
    assert project.read() == project.published
    assert len(slack.messages) == (answer != "refused")
    (warning,) = warnings(run)
    assert f"WARNING the message to Slack {remedy}" in warning
    assert reason in warning
    assert warning.isprintable()
    assert len(warning) < 500


def test_a_token_that_is_not_set_is_said(project: Project, slack: SlackServer) -> None:
    run = project.run(SLACK_TOKEN="", SLACK_API_URL=slack.address)

    assert (run.exit_code, run.stdout, slack.messages) == (0, project.expected.stdout, [])
    (warning,) = warnings(run)
    assert warning.endswith("set the variable SLACK_TOKEN, which token_name of [SlackConfig] names")


def test_a_token_that_stands_in_place_of_its_name_is_not_shown(project: Project, slack: SlackServer) -> None:
    project.checkout.edit("conf/param.ini", "[SlackConfig]\n", f"[SlackConfig]\ntoken_name={MISPLACED}\n")
    try:
        run = project.run(SLACK_TOKEN=TOKEN, SLACK_API_URL=slack.address)
    finally:
        project.checkout.edit("conf/param.ini", f"token_name={MISPLACED}\n", "")

    assert (run.exit_code, run.stdout, slack.messages) == (0, project.expected.stdout, [])
    (warning,) = warnings(run)
    assert warning.endswith("set the variable ***, which token_name of [SlackConfig] names")


def test_a_token_that_cannot_be_sent_is_not_shown(project: Project, slack: SlackServer) -> None:
    run = project.run(SLACK_TOKEN=f"first half\n{SECOND_HALF}", SLACK_API_URL=slack.address)

    assert (run.exit_code, run.stdout, slack.messages) == (0, project.expected.stdout, [])
    (warning,) = warnings(run)
    assert warning.endswith(f"{REMEDY} (ValueError)")


def test_options_of_the_command_line_count_and_gokart_sends_nothing(project: Project, slack: SlackServer) -> None:
    options = ("--SlackConfig-channel", "#others", "--SlackConfig-token-name", "OTHER")

    run = project.run(*options, SLACK_TOKEN=SECOND_HALF, OTHER=TOKEN, SLACK_API_URL=slack.address)

    assert (run.exit_code, run.stdout) == (0, project.expected.stdout)
    (message,) = slack.messages
    assert (message.fields["channel"], message.authorization) == ("#others", f"Bearer {TOKEN}")
    # gokart would ask slack.com, and warn that there is no such token, or no network.
    assert warnings(run) == []


@pytest.mark.parametrize(
    ("options", "variables"), [((), {"CHANNEL": ""}), (("--plan",), {}), (("--history",), {}), (("--help",), {})]
)
def test_nothing_is_sent_without_a_channel_or_a_run(
    project: Project, slack: SlackServer, options: tuple[str, ...], variables: dict[str, str]
) -> None:
    run = project.run(*options, SLACK_TOKEN=TOKEN, SLACK_API_URL=slack.address, **variables)

    assert (run.exit_code, slack.paths, warnings(run)) == (0, [], [])
