"""S3 itself is in the integration tests; here a server refuses requests, or is no S3 at all."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io import s3
from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION

KEY = "output.csv"
ERROR = "<Error><Code>{code}</Code><Message>{message}</Message></Error>"


class Answer(NamedTuple):
    """An answer to every request."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Refusals(ThreadingHTTPServer):
    """Gives the same answers to all, the last of them for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [Answer(503)]
        self.requests: list[tuple[str, dict[str, str]]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Refusals

    def answer(self) -> None:
        self.server.requests.append((self.command, {name.lower(): value for name, value in self.headers.items()}))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answers = self.server.answers
        status, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response_only(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_DELETE = do_GET = do_HEAD = do_PUT = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The settings of AWS: none but a file, which is empty."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "config"
    file.touch()
    settings = {
        "AWS_CONFIG_FILE": str(file),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3.client_of_process.cache_clear()
    yield file
    s3.client_of_process.cache_clear()


def give_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "some-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "some-secret")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    give_keys(monkeypatch)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusals]:
    with Refusals() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        give_keys(monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between requests, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def put(**conditions: str) -> tuple[str, str]:
    return s3.put_object("some-bucket", KEY, b"1", "text/csv", {}, BUCKET_ENCRYPTION, **conditions)


def find() -> object:
    return s3.find_metadata("some-bucket", KEY)


def list_all() -> object:
    return list(s3.list_objects("some-bucket", ""))


ADVICE = [
    (400, "ExpiredToken", "renew the credentials"),
    (400, "TokenRefreshRequired", "renew the credentials"),
    (400, "InvalidToken", "check the credentials: AWS_SESSION_TOKEN"),
    (400, "InvalidRequest", "change the key, or the settings of the bucket"),
    (400, "AuthorizationHeaderMalformed", "set AWS_DEFAULT_REGION"),
    (400, "KMS.DisabledException", "check kms_key_id"),
    (400, "KMS.NotFoundException", "check kms_key_id"),
    (403, "AccessDenied", "check the credentials, and that they grant s3:GetObject"),
    (403, "InvalidAccessKeyId", "this S3 does not know AWS_ACCESS_KEY_ID"),
    (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY does not belong to"),
    (403, "RequestTimeTooSkewed", "set the clock of this machine"),
    (403, "AccountProblem", "ask AWS"),
    (404, "NoSuchBucket", "create the bucket, or correct BUCKET_NAME"),
    (409, "ConditionalRequestConflict", "it has changed meanwhile"),
    (412, "PreconditionFailed", "it has changed meanwhile"),
    (501, "NotImplemented", r"it lacks checksums, conditions \(If-None-Match\)"),
]


class TestAdvice:
    @pytest.mark.parametrize(("status", "code", "advice"), ADVICE)
    def test_follows_the_code_of_s3(self, server: Refusals, status: int, code: str, advice: str) -> None:
        server.answers = [Answer(status, ERROR.format(code=code, message="so it is"))]
        with pytest.raises(S3Error, match=rf"S3 refuses to put it: .*{advice}.*\({code}\) .* so it is"):
            put()

    @pytest.mark.parametrize(("status", "code", "advice"), [row for row in ADVICE if row[0] != 404])
    def test_follows_the_code_of_a_get_where_a_head_has_none(
        self, server: Refusals, status: int, code: str, advice: str
    ) -> None:
        server.answers = [Answer(status, ERROR.format(code=code, message="so it is"))]
        with pytest.raises(S3Error, match=rf"S3 refuses to look at it: .*{advice}"):
            find()

    @pytest.mark.parametrize(
        ("status", "advice"),
        [(400, "check the credentials: they may be expired"), (403, "check the credentials, and that they grant")],
    )
    def test_follows_the_status_where_the_get_meets_something_else(
        self, server: Refusals, status: int, advice: str
    ) -> None:
        server.answers = [Answer(status), Answer(200, "x", (("ETag", '"1"'),))]
        with pytest.raises(S3Error, match=advice):
            find()

    def test_names_the_permissions_on_a_key_for_encryption(self, server: Refusals) -> None:
        message = "User is not authorized to perform: kms:GenerateDataKey on the resource"
        server.answers = [Answer(403, ERROR.format(code="AccessDenied", message=message))]
        with pytest.raises(S3Error, match="check kms_key_id, and that the credentials grant kms:GenerateDataKey"):
            put()

    def test_a_clock_that_differs_goes_first(self, server: Refusals) -> None:
        date = (("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),)
        server.answers = [Answer(403, ERROR.format(code="AccessDenied", message="no"), date)]
        with pytest.raises(S3Error, match="set the clock of this machine: it differs from that of S3 by"):
            put()

    @pytest.mark.parametrize("ask", [put, find, list_all])
    @pytest.mark.parametrize("status", [200, 405])
    def test_a_web_server_is_no_s3(self, server: Refusals, ask: Callable[[], object], status: int) -> None:
        server.answers = [Answer(status, "<!doctype html><p>Hello")]
        with pytest.raises(S3Error, match="correct AWS_ENDPOINT_URL: what answers there is no S3"):
            ask()

    def test_a_server_without_conditions_is_named(self, server: Refusals) -> None:
        server.answers = [Answer(501, ERROR.format(code="NotImplemented", message="A header is not implemented"))]
        with pytest.raises(S3Error, match="take another server: it lacks checksums, conditions"):
            put(IfNoneMatch="*")

    def test_a_server_without_checksums_works(self, server: Refusals) -> None:
        server.answers = [Answer(200, headers=(("ETag", '"1"'), ("x-amz-meta-rows", "3")))]
        assert put()[0] == '"1"'
        assert find() == {"rows": "3"}


class TestPatience:
    SLOW = Answer(503, ERROR.format(code="SlowDown", message="Please reduce your request rate."))
    BROKEN = Answer(500, ERROR.format(code="InternalError", message="We encountered an internal error."))
    OK = Answer(200, headers=(("ETag", '"1"'),))

    @pytest.mark.parametrize("answer", [SLOW, BROKEN], ids=["slow down", "internal error"])
    @pytest.mark.parametrize("ask", [put, list_all])
    def test_survives_a_minute_of_trouble(
        self, server: Refusals, pauses: list[float], ask: Callable[[], object], answer: Answer
    ) -> None:
        listed = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        server.answers = [*[answer] * 7, Answer(200, listed if ask is list_all else "", self.OK.headers)]
        ask()
        assert 60 < sum(pauses) < 120
        assert max(pauses) <= 20

    @pytest.mark.usefixtures("pauses")
    def test_ends(self, server: Refusals) -> None:
        server.answers = [self.SLOW]
        with pytest.raises(S3Error, match="try again later"):
            put()
        assert len(server.requests) == 8

    def test_a_refusal_is_not_repeated(self, server: Refusals, pauses: list[float]) -> None:
        server.answers = [Answer(501, ERROR.format(code="NotImplemented", message=""))]
        with pytest.raises(S3Error):
            put()
        assert (len(server.requests), pauses) == (1, [])

    @pytest.mark.usefixtures("keys")
    def test_a_server_that_does_not_listen_is_not_waited_for(self, pauses: list[float]) -> None:
        with pytest.raises(S3Error, match="check the network, AWS_ENDPOINT_URL"):
            put()
        assert sum(pauses) < 5

    @pytest.mark.usefixtures("pauses")
    @pytest.mark.parametrize(
        ("mode", "attempts"), [("legacy", 1), ("legacy", 4), ("standard", 1), ("standard", 5), ("adaptive", 2)]
    )
    def test_the_variables_count(
        self, server: Refusals, monkeypatch: pytest.MonkeyPatch, mode: str, attempts: int
    ) -> None:
        monkeypatch.setenv("AWS_RETRY_MODE", mode)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", str(attempts))
        server.answers = [self.SLOW]
        with pytest.raises(S3Error):
            put()
        assert len(server.requests) == attempts

    @pytest.mark.usefixtures("pauses")
    def test_the_file_counts(self, server: Refusals, environment: Path) -> None:
        environment.write_text("[default]\nmax_attempts = 4\nretry_mode = standard\n")
        server.answers = [self.SLOW]
        with pytest.raises(S3Error):
            put()
        assert len(server.requests) == 4


class TestSettings:
    @pytest.mark.usefixtures("keys")
    @pytest.mark.parametrize(
        ("variable", "value", "problem"),
        [
            ("AWS_MAX_ATTEMPTS", "abc", "that has this value .*'abc'"),
            ("AWS_MAX_ATTEMPTS", "0", 'that has this value .*"max_attempts": 0'),
            ("AWS_RETRY_MODE", "x", "that has this value .*\"x\" must be one of: .*'standard'"),
            ("AWS_DEFAULTS_MODE", "x", "that has this value .* invalid defaults mode: x"),
            ("AWS_REQUEST_CHECKSUM_CALCULATION", "x", "that has this value .* but got x"),
            ("AWS_DEFAULT_REGION", "no region", "that has this value .*'no region'"),
            ("AWS_ENDPOINT_URL", "garbage", "that has this value .*Invalid endpoint: garbage"),
            ("AWS_PROFILE", "nobody", r"correct AWS_PROFILE .*\(nobody\) could not be found"),
        ],
    )
    def test_one_that_is_wrong_is_named(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(S3Error, match=f"s3://some-bucket/output.csv: S3 cannot be asked to put it: .*{problem}"):
            put()

    @pytest.mark.usefixtures("keys")
    @pytest.mark.parametrize("content", [b"[default\nregion=x", b"[default]\nregion=\xff", b"region=x"])
    def test_a_file_that_is_broken_is_named(self, environment: Path, content: bytes) -> None:
        environment.write_bytes(content)
        with pytest.raises(S3Error, match=f"correct this file .*{environment}"):
            put()

    def test_credentials_that_are_missing_are_missed(self) -> None:
        with pytest.raises(S3Error, match="give the process credentials"):
            put()

    def test_a_token_file_that_is_missing_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/not/there")
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/nightly")
        with pytest.raises(S3Error, match=r"that names this file .*'/not/there'"):
            put()

    @pytest.mark.usefixtures("keys")
    def test_certificates_that_are_missing_are_thought_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_CA_BUNDLE", "/not/there")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(S3Error, match="AWS_CA_BUNDLE"):
            put()


class TestCredentials:
    def test_a_process_that_fails_is_named(self, environment: Path) -> None:
        environment.write_text("[default]\ncredential_process = false\n")
        with pytest.raises(S3Error, match="check credential_process"):
            put()

    def test_a_process_that_hangs_has_a_limit(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3, "CREDENTIALS_SECONDS", 0.2)
        environment.write_text(f"[default]\ncredential_process = {sys.executable} -c 'import time; time.sleep(3)'\n")
        with pytest.raises(S3Error, match="there are no credentials after a minute: check credential_process"):
            put()

    @pytest.mark.usefixtures("server")
    def test_an_sts_that_hangs_has_a_limit(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("token")
        has_ended = threading.Event()
        monkeypatch.setattr(s3, "CREDENTIALS_SECONDS", 0.2)
        monkeypatch.setattr(_Handler, "do_POST", lambda _: has_ended.wait(30), raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/nightly")
        with pytest.raises(S3Error, match=r"there are no credentials after a minute: .* AWS STS"):
            put()
        has_ended.set()
