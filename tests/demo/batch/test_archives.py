"""What a visitor drops for a batch: files, archives, and archives of somebody who means harm."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from demo.server import archives
from demo.server.archives import MAX_FILES, stage
from unet_hf.errors import ConfigError

IMAGE = b"an image, as far as its name goes"


def archive(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where things are staged; around it stands nothing, and nothing may come to stand there."""
    (tmp_path / "inner").mkdir()
    return tmp_path / "inner" / "images"


def test_folders_of_an_archive_are_kept(tmp_path: Path, folder: Path):
    path = archive(tmp_path / "a.zip", {"plate/1.png": IMAGE, "plate/deep/2.tif": IMAGE + b"2"})
    staged = stage([path], folder)
    assert files(folder) == {"plate/1.png": IMAGE, "plate/deep/2.tif": IMAGE + b"2"}
    assert staged.names == ["plate/1.png", "plate/deep/2.tif"]
    assert staged.left_out == []


def test_what_is_no_image_is_told_a_line_each(tmp_path: Path, folder: Path):
    path = archive(
        tmp_path / "a.zip",
        {"1.png": IMAGE, "notes.txt": b"", "inner.zip": b"", ".DS_Store": b"", "__MACOSX/x": b""},
    )
    (tmp_path / "table.csv").write_text("")
    assert stage([path, tmp_path / "table.csv"], folder).left_out == [
        "notes.txt is no image by its ending; left out",
        "inner.zip is an archive within an archive; left out",
        "a.zip: 2 hidden files were left out",
        "table.csv is no image by its ending; left out",
    ]


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"]
)
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, folder: Path, name: str):
    path = archive(tmp_path / "a.zip", {"good.png": IMAGE, name: IMAGE})
    staged = stage([path], folder)
    assert list(files(tmp_path / "inner")) == ["images/good.png"]
    assert "leads out of the archive" in staged.left_out[0]
    assert not Path("/etc/evil.png").exists()


def test_links_are_not_followed(tmp_path: Path, folder: Path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
        file.writestr("good.png", IMAGE)
    assert stage([tmp_path / "a.zip"], folder).left_out == ["link.png is a link; left out"]
    assert files(folder) == {"good.png": IMAGE}


def test_what_it_unpacks_to_is_counted_not_believed(tmp_path: Path, folder: Path, monkeypatch):
    """A hundred thousand zeros in a hundred bytes, which say to be ten."""
    monkeypatch.setattr(archives, "MAX_BYTES", 50_000)
    monkeypatch.setattr(archives, "CHUNK", 1000)
    path = archive(tmp_path / "a.zip", {"bomb.png": bytes(100_000)})
    with pytest.raises(ConfigError, match="unpacked"):
        stage([path], folder)
    assert not folder.exists()  # nothing half-written is left
    content = bytearray(path.read_bytes())
    for size_at in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        struct.pack_into("<I", content, size_at, 10)
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        stage([path], folder)
    assert not folder.exists()


def test_the_limit_holds_over_all_files(tmp_path: Path, folder: Path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 2 * len(IMAGE))
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(IMAGE)
    assert len(stage([tmp_path / "a.png", tmp_path / "b.png"], folder).names) == 2
    with pytest.raises(ConfigError, match="unpacked"):
        stage([tmp_path / f"{name}.png" for name in "abc"], folder.with_name("other"))


def test_too_many_files_are_refused(tmp_path: Path, folder: Path):
    path = archive(tmp_path / "a.zip", {f"{n}.png": b"" for n in range(MAX_FILES + 1)})
    with pytest.raises(ConfigError, match="more than 500 images"):
        stage([path], folder)
    assert not folder.exists()


def test_a_table_of_contents_without_end_is_refused_unread(tmp_path, folder, monkeypatch):
    path = archive(tmp_path / "a.zip", {f"{n}.txt": b"" for n in range(200)})
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 5000)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ConfigError, match=r"a\.zip lists more than 500 files"):
        stage([path], folder)


def test_a_damaged_entry_is_a_line_and_the_others_go_on(tmp_path: Path, folder: Path):
    path = archive(tmp_path / "a.zip", {"1.png": IMAGE, "2.png": IMAGE[::-1]}, zipfile.ZIP_STORED)
    content = path.read_bytes()
    path.write_bytes(content.replace(IMAGE, IMAGE.replace(b"far", b"near"[:3])))
    staged = stage([path], folder)
    assert files(folder) == {"2.png": IMAGE[::-1]}
    assert staged.left_out[0].startswith("1.png is damaged inside the archive")


def test_a_damaged_archive_is_refused(tmp_path: Path, folder: Path):
    content = archive(tmp_path / "a.zip", {"1.png": IMAGE}).read_bytes()
    broken = bytearray(content)
    struct.pack_into("<I", broken, content.find(b"PK\x05\x06") + 12, 10)  # contents of 10 bytes
    (tmp_path / "a.zip").write_bytes(broken)
    with pytest.raises(ConfigError, match=r"a\.zip"):
        stage([tmp_path / "a.zip"], folder)


def test_an_archive_that_was_cut_off_is_told_as_one(tmp_path: Path, folder: Path):
    """Its table of contents stands at the end."""
    path = archive(tmp_path / "a.zip", {"1.png": IMAGE, "2.png": IMAGE})
    path.write_bytes(path.read_bytes()[:-40])
    (tmp_path / "3.png").write_bytes(IMAGE)
    (line,) = stage([path, tmp_path / "3.png"], folder).left_out
    assert line.startswith("a.zip is a damaged zip archive")
    with pytest.raises(ConfigError, match=r"a\.zip is a damaged zip archive"):
        stage([path], folder.with_name("again"))


def test_an_encrypted_entry_is_told(tmp_path: Path, folder: Path):
    path = archive(tmp_path / "a.zip", {"1.png": IMAGE, "2.png": IMAGE})
    content = bytearray(path.read_bytes())
    for start in (content.find(b"PK\x03\x04") + 6, content.find(b"PK\x01\x02") + 8):
        content[start] |= 1
    path.write_bytes(content)
    assert stage([path], folder).left_out == ["1.png is encrypted; left out"]


def test_names_that_would_share_their_outputs_are_told_apart(tmp_path: Path, folder: Path):
    for name in ("a.png", "a.tif"):
        (tmp_path / name).write_bytes(IMAGE)
    staged = stage([tmp_path / "a.png", tmp_path / "a.tif", tmp_path / "a.png"], folder)
    assert staged.names == ["a.png", "a_2.tif", "a_3.png"]
    assert staged.left_out[0] == "a.tif is called a_2.tif here, as the name is taken"


def test_no_image_at_all_is_told(tmp_path: Path, folder: Path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ConfigError, match=r"no image in what was sent \(a.txt"):
        stage([tmp_path / "a.txt"], folder)


def test_what_is_packed_is_what_was_written(tmp_path: Path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mask.png").write_bytes(IMAGE)
    archives.pack(tmp_path, iter(["x/mask.png"]), tmp_path / "out.zip", {"failed.csv": "none"})
    with zipfile.ZipFile(io.BytesIO((tmp_path / "out.zip").read_bytes())) as packed:
        assert packed.read("x/mask.png") == IMAGE
        assert packed.read("failed.csv") == b"none"
