from __future__ import annotations

from io import BytesIO

import pytest

from gokart_pipeline_sample.io.json_document import JsonProcessor


class TestJsonProcessor:
    def test_gives_back_what_it_was_given(self) -> None:
        document = {"accuracy": 0.9666666666666667, "rows": 30, "losses": [0.5, 0.25]}
        file = BytesIO()
        JsonProcessor().dump(document, file)
        file.seek(0)
        assert JsonProcessor().load(file) == document

    def test_refuses_what_is_no_number(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            JsonProcessor().dump({"accuracy": float("nan")}, BytesIO())
