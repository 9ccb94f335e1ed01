from __future__ import annotations

import os

from gokart_pipeline_sample.io.memory import open_memory_file


class TestOpenMemoryFile:
    def test_is_written_at_its_end_wherever_it_was_read(self) -> None:
        with open_memory_file() as file:
            file.write(b"a")
            file.seek(0)
            file.write(b"b")
            file.seek(0)
            assert file.read() == b"ab"

    def test_has_no_name(self) -> None:
        with open_memory_file() as file:
            assert os.fstat(file.fileno()).st_nlink == 0
