from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gokart_pipeline_sample.io.tables.table_files import LocalFile, TableError, list_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def list_names(folder: Path) -> list[str]:
    return [str(Path(file.path).relative_to(folder)) for file in list_files(str(folder))]


class TestListFiles:
    def test_lists_one_file(self, folder: Path) -> None:
        write(folder, "a.csv", "b.csv")
        (file,) = list_files(str(folder / "a.csv"))
        assert isinstance(file, LocalFile)
        assert file.path == str(folder / "a.csv")
        assert file.digest == hashlib.sha256(b"a.csv").hexdigest()
        assert file.state[0] == 5

    def test_lists_a_folder_by_path(self, folder: Path) -> None:
        write(folder, "b.csv", "a/2.csv", "c/d/e.parquet", "a/10.csv", "a.csv")
        assert list_names(folder) == ["a.csv", "a/10.csv", "a/2.csv", "b.csv", "c/d/e.parquet"]

    def test_follows_links_and_drops_none_in_silence(self, folder: Path, tmp_path: Path) -> None:
        write(tmp_path / "elsewhere", "1.csv")
        write(folder, "2.csv")
        (folder / "1").symlink_to(tmp_path / "elsewhere")
        assert list_names(folder) == ["1/1.csv", "2.csv"]
        (folder / "3.csv").symlink_to(tmp_path / "not there.csv")
        with pytest.raises(TableError, match=r"3\.csv: No such file"):
            list_files(str(folder))

    def test_is_not_the_working_directory_without_a_name(self) -> None:
        with pytest.raises(TableError, match="set the parameter table"):
            list_files("")

    def test_passes_hidden_files_and_folders_over(self, folder: Path) -> None:
        write(folder, "_SUCCESS", ".x.csv", "_temporary/0/a.csv", "a/.b/c.csv", "a/_c.csv", "a/b.csv", "a_b/c.csv")
        assert list_names(folder) == ["a/b.csv", "a_b/c.csv"]

    @pytest.mark.parametrize("name", ["_folder", ".folder"])
    def test_takes_a_hidden_folder_or_file_that_is_asked_for(self, tmp_path: Path, name: str) -> None:
        write(tmp_path / name, "a.csv", "_b.csv")
        assert list_names(tmp_path / name) == ["a.csv"]
        assert len(list_files(str(tmp_path / name / "_b.csv"))) == 1

    def test_understands_a_file_uri(self, folder: Path) -> None:
        write(folder, "a.csv")
        assert list_files(f"file://{folder}") == list_files(str(folder)) == list_files(f"{folder}/")

    @pytest.mark.parametrize("scheme", ["file://", "FILE://"])
    def test_takes_a_scheme_in_any_case(self, folder: Path, scheme: str) -> None:
        write(folder, "a.csv")
        assert list_files(f"{scheme}{folder}") == list_files(str(folder))

    def test_begins_at_home(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(folder, "a.csv")
        monkeypatch.setenv("HOME", str(folder.parent))
        assert list_files("~/folder/a.csv") == list_files(str(folder / "a.csv"))

    @pytest.mark.parametrize("scheme", ["gs", "https", "hdfs", "abfss", "S4", "dbfs"])
    def test_names_a_uri_that_it_cannot_read(self, scheme: str) -> None:
        with pytest.raises(TableError, match=f"the table {scheme}://a/b.csv is neither a path nor an s3:// URI: copy"):
            list_files(f"{scheme}://a/b.csv")

    def test_passes_markers_of_hadoop_and_athena_over(self, folder: Path) -> None:
        write(folder, "a.csv", "a.csv.metadata", "b/c.csv", "b/c.csv.metadata", "d.csv.metadata")
        for name in ("_$folder$", "b_$folder$", "b/day=1_$folder$"):
            (folder / name).touch()
        assert list_names(folder) == ["a.csv", "b/c.csv"]

    def test_takes_keys_that_begin_as_hidden_names(self, folder: Path) -> None:
        write(folder, "_day=1/a.csv", "_day/b.csv", "_day=1/_c.csv")
        assert list_names(folder) == ["_day=1/a.csv"]
        assert list_files(str(folder))[0].keys == {"_day": "1"}

    def test_names_what_is_not_there(self, folder: Path) -> None:
        with pytest.raises(TableError, match=r"/folder .*No such file or directory"):
            list_files(str(folder))

    @pytest.mark.parametrize("names", [[], ["_SUCCESS", ".crc", "_a/b.csv"]])
    def test_names_a_folder_without_files(self, folder: Path, names: list[str]) -> None:
        folder.mkdir()
        write(folder, *names)
        with pytest.raises(TableError, match="/folder has no files"):
            list_files(str(folder))


class TestLocalFile:
    def test_gives_its_content(self, folder: Path) -> None:
        write(folder, "a.csv")
        with list_files(str(folder))[0].open() as content:
            assert content.read() == b"a.csv"

    @pytest.mark.parametrize("change", [lambda path: path.write_text("longer"), lambda path: os.utime(path, (0, 0))])
    def test_refuses_a_change(self, folder: Path, change: Callable[[Path], object]) -> None:
        write(folder, "a.csv")
        (file,) = list_files(str(folder))
        file.check_unchanged()
        change(folder / "a.csv")
        with pytest.raises(TableError, match=r"a\.csv: it has changed while it was read: run again"):
            file.check_unchanged()


class TestOtherThanRegularFiles:
    @pytest.fixture(params=["FIFO", "link to a FIFO", "device", "link to a device", "socket"])
    def other(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        """Something that a reader would wait for or never reach the end of."""
        path = tmp_path / "table" / "part.csv"
        path.parent.mkdir()
        if request.param == "FIFO":
            os.mkfifo(path)
        elif request.param == "link to a FIFO":
            os.mkfifo(tmp_path / "fifo")
            path.symlink_to(tmp_path / "fifo")
        elif request.param == "device":
            return Path("/dev/zero")
        elif request.param == "link to a device":
            path.symlink_to("/dev/zero")
        else:
            socket.socket(socket.AF_UNIX).bind(str(path))
        return path

    def test_are_refused(self, other: Path) -> None:
        with pytest.raises(TableError, match=rf"{other}.*correct its path or URI"):
            list_files(str(other))

    def test_are_refused_in_a_folder(self, other: Path) -> None:
        if other.parent == Path("/dev"):
            pytest.skip("it is in no folder of tables")
        (other.parent / "a.csv").write_text("id\n1\n")
        with pytest.raises(TableError, match="correct its path or URI"):
            list_files(str(other.parent))

    def test_are_refused_if_they_take_the_place_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "table.csv"
        path.write_text("id\n1\n")
        (file,) = list_files(str(path))
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(TableError, match="it is not a regular file"):
            file.open()

    def test_a_loop_of_links_is_found(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "x.csv").write_text("id\n1\n")
        (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
        with pytest.raises(TableError, match="b/up: it is a link to a folder that it lies in: remove the link"):
            list_files(str(tmp_path))

    def test_a_link_to_itself_is_found(self, tmp_path: Path) -> None:
        (tmp_path / "self.csv").symlink_to(tmp_path / "self.csv")
        for table in (tmp_path, tmp_path / "self.csv"):
            with pytest.raises(TableError, match="cannot be read"):
                list_files(str(table))

    def test_links_to_files_and_folders_elsewhere_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "x.csv").write_text("id\n1\n")
        (tmp_path / "table").mkdir()
        (tmp_path / "table" / "a").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "table" / "b.csv").symlink_to(tmp_path / "elsewhere" / "x.csv")
        (tmp_path / "table" / "c").symlink_to(tmp_path / "elsewhere")
        names = [
            Path(file.path).relative_to(tmp_path / "table").as_posix() for file in list_files(str(tmp_path / "table"))
        ]
        assert names == ["a/x.csv", "b.csv", "c/x.csv"]
