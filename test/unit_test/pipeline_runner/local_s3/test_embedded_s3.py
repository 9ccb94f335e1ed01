from __future__ import annotations

import pytest

from pipeline_runner.errors import UsageError
from pipeline_runner.local_s3.embedded_s3 import OTHER_S3_VARIABLES, is_wanted


class TestIsWanted:
    def test_without_a_bucket(self) -> None:
        assert is_wanted({})
        assert is_wanted({"BUCKET_NAME": "", "AWS_PROFILE": ""})

    @pytest.mark.parametrize("variable", OTHER_S3_VARIABLES)
    def test_not_with_a_bucket(self, variable: str) -> None:
        assert not is_wanted({"BUCKET_NAME": "some-bucket"})
        assert not is_wanted({"BUCKET_NAME": "some-bucket", variable: "something"})

    @pytest.mark.parametrize("variable", OTHER_S3_VARIABLES)
    def test_refuses_credentials_without_a_bucket(self, variable: str) -> None:
        with pytest.raises(UsageError, match=f"{variable} is set, but BUCKET_NAME is not"):
            is_wanted({variable: "something"})
