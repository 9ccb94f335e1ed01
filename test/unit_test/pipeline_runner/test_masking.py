from __future__ import annotations

import pytest

from pipeline_runner.masking import mask, mask_arguments, mask_parameter


class TestMask:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("http://user:SECRET@127.0.0.1:9/x failed", "http://***@127.0.0.1:9/x failed"),
            ("redis://:SECRET@host", "redis://***@host"),
            (
                "https://b.s3.amazonaws.com/t.csv?X-Amz-Credential=SECRET&X-Amz-Expires=60&X-Amz-Signature=SECRET",
                "https://b.s3.amazonaws.com/t.csv?X-Amz-Credential=***&X-Amz-Expires=***&X-Amz-Signature=***",
            ),
            ("https://a.blob/t.csv?sv=1&sig=SECRET%3D'", "https://a.blob/t.csv?sv=1&sig=***'"),
            ("SomeTask(api_token=SECRET, rows=5)", "SomeTask(api_token=***, rows=5)"),
            ('{"password": "SECRET", "rows": 5}', '{"password": "***", "rows": 5}'),
            ("--some-task-client-secret SECRET --rows 5", "--some-task-client-secret *** --rows 5"),
            ("aws_secret_access_key = SECRET", "aws_secret_access_key = ***"),
            ("AWS_SESSION_TOKEN=SECRET python", "AWS_SESSION_TOKEN=*** python"),
            ("token: SECRET", "token: ***"),
            ("Token: SECRET is refused", "Token: *** is refused"),
            ("Token: hunterhunter was refused", "Token: *** was refused"),
            ("Password: hunter was refused", "Password: *** was refused"),
            ("ExpiredToken: abc1 was refused", "ExpiredToken: *** was refused"),
            ("xoxb-12-SECRET, xapp-1-SECRET and xoxe.xoxp-1-SECRET", "***, *** and xoxe.***"),
        ],
    )
    def test_leaves_no_secret(self, text: str, expected: str) -> None:
        assert mask(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "s3://bucket/key.csv",
            "fetch  AWS_ENDPOINT_URL=http://127.0.0.1:9 AWS_SHARED_CREDENTIALS_FILE=/a/credentials aws s3 cp s3://b/k",
            "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token",
            "parameter changed: key output.csv → other.csv",
            "UploadS3Task(bucket=b, key=daily/output.csv, kms_key_id=arn:aws:kms:x)",
            "An error occurred (InvalidToken) when calling the PutObject operation",
            "error: check the credentials, and that they grant s3:GetObject",
            "mail a@b.c, https://host/a@b",
            "Error loading SSO Token: Token for mine does not exist",
            "TokenRetrievalError: Error when retrieving token from sso: Token has expired and refresh failed",
            "UnauthorizedSSOTokenError: The SSO session associated with this profile has expired",
            "InvalidToken: The provided token is malformed",
            "foxbox-1 and xapp are no tokens",
        ],
    )
    def test_leaves_all_else(self, text: str) -> None:
        assert mask(text) == text


class TestMaskArguments:
    def test_masks_values_of_options_that_speak_of_secrets(self) -> None:
        arguments = ["Task", "--a-token", "SECRET", "--b-password=SECRET", "--key", "x.csv", "--c-secret", "--d", "1"]
        assert mask_arguments(arguments) == [
            *("Task", "--a-token", "***", "--b-password=***", "--key", "x.csv", "--c-secret", "--d", "1")
        ]


class TestMaskParameter:
    def test_goes_by_the_name(self) -> None:
        assert mask_parameter("api_token", "SECRET") == "***"
        assert mask_parameter("api_token", "") == ""
        assert mask_parameter("key", "output.csv") == "output.csv"
        assert mask_parameter("url", "http://a:SECRET@b") == "http://***@b"
