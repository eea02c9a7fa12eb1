"""One file is one file: whatever a file names, nothing else is opened, and nothing hangs."""

import json
import os
import re
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr

from demo.server.predictions import Place, segment_file
from demo.truth import label_image
from unet_hf import UNet, read_image
from unet_hf.batch.inputs import pages_of
from unet_hf.data.sources import row_bytes
from unet_hf.data.stored_masks import read_mask
from unet_hf.errors import DatasetError, ImageError, UnreadableImageError, UnsupportedLayoutError
from unet_hf.images.windows import is_large, open_image
from unet_hf.large.segment import segment_large

OWN, SECRET = 20, 99  # the value of all pixels of the file that is read, and of the others
FEWER = "the file holds fewer planes than its description names: those that are there were read"
SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
OME = f'<OME xmlns="{SCHEMA}" UUID="urn:uuid:{{uuid}}">{{}}</OME>'


def plane(value: int) -> np.ndarray:
    return np.full((16, 16), value, np.uint8)


def ome(files: list[str], own: int = 0, **sizes: int) -> str:
    """OME-XML of a series with one time point, or another axis, in each of the files."""
    (axis, count), *_ = [*sizes.items(), ("T", len(files))]
    data = "".join(
        f'<TiffData First{axis}="{n}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{n}</UUID></TiffData>'
        for n, name in enumerate(files)
    )
    lengths = " ".join(f'Size{a}="{count if a == axis else 1}"' for a in "CZT")
    channels = '<Channel ID="c"/>' * (count if axis == "C" else 1)
    pixels = (
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="16" SizeY="16" {lengths}>{channels}{data}</Pixels></Image>'
    )
    return OME.format(pixels, uuid=own)


def write_ome(path: Path, value: int, xml: str) -> Path:
    tifffile.imwrite(path, plane(value), description=xml, metadata=None)
    return path


def write_micromanager(path: Path, value: int, frame: int) -> Path:
    """A file of Micro-Manager's with one of two time points; tifffile finds the other by name."""
    summary = json.dumps({"MicroManagerVersion": "2.0", "Frames": 2, "Prefix": "p"}).encode()
    start = 40 + len(summary) + len(summary) % 2
    data = start + 2 + 11 * 12 + 4
    tags = {254: 0, 256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 273: data, 277: 1, 278: 16, 279: 256}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory += struct.pack("<HHII", 51123, 2, 8, data + 256)  # what tells Micro-Manager's files
    content = struct.pack("<2sHIII", b"II", 42, start, 54773648, data + 264)
    content += struct.pack("<6I", 0, 0, 0, 0, 2355492, len(summary)) + summary
    content = content.ljust(start, b"\0") + struct.pack("<H", 11) + directory + bytes(4)
    content += plane(value).tobytes() + b'{"x":1}\0'
    path.write_bytes(content + struct.pack("<7I", 3453623, 1, 0, 0, frame, 0, start))
    return path


def a_series(folder: Path) -> Path:
    tifffile.imwrite(folder.parent / "secret.tif", plane(SECRET))
    return write_ome(folder / "asks.ome.tif", OWN, ome(["asks.ome.tif", "../secret.tif"]))


def an_absolute_name(folder: Path) -> Path:
    tifffile.imwrite(secret := folder.parent / "secret.tif", plane(SECRET))
    return write_ome(folder / "asks.ome.tif", OWN, ome(["asks.ome.tif", str(secret)]))


def the_name_of_a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.tif")
    return write_ome(folder / "asks.ome.tif", OWN, ome(["asks.ome.tif", "pipe.tif"]))


def nothing_of_its_own(folder: Path) -> Path:
    """The UUIDs and names are all of other files, of which one is there."""
    tifffile.imwrite(folder / "b.tif", plane(SECRET))
    return write_ome(folder / "asks.ome.tif", OWN, ome(["b.tif", "c.tif"], own=7))


def a_companion(folder: Path) -> Path:
    (folder / "b.companion.ome").write_text(ome(["b.tif", "b.tif"]))
    tifffile.imwrite(folder / "b.tif", plane(SECRET))
    xml = OME.format('<BinaryOnly MetadataFile="b.companion.ome" UUID="urn:uuid:1"/>', uuid=0)
    return write_ome(folder / "asks.ome.tif", OWN, xml)


def micromanager(folder: Path) -> Path:
    write_micromanager(folder / "p_MMStack_2.tif", SECRET, 1)
    return write_micromanager(folder / "p_MMStack_1.tif", OWN, 0)


ASKING = (
    a_series, an_absolute_name, the_name_of_a_pipe, nothing_of_its_own, a_companion, micromanager,
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> UNet:
    return UNet(1, base_channels=2, depth=1)


@pytest.mark.parametrize("writing", ASKING, ids=lambda writing: writing.__name__)
def test_no_other_file_is_read(writing: Callable[[Path], Path], model: UNet, tmp_path: Path):
    folder = tmp_path / "uploaded"
    folder.mkdir()
    path = writing(folder)
    image = read_image(path)
    assert (image.pages, image.channels) == (1, 1) and (image.pixels == OWN).all()
    assert any("series" in note or note == FEWER for note in image.notes)
    with pytest.raises(UnsupportedLayoutError, match="no page 1"):
        read_image(path, page=1)
    with open_image(path) as windows:
        assert windows.pages == 1 and windows.notes == image.notes
        assert (windows.pixels[0:16] == OWN).all()
    assert pages_of(path, None) == 1 and not is_large(path)
    assert (read_mask(path.read_bytes()).values == OWN).all()


def test_nor_by_large_predictions_the_demo_and_its_truth(model: UNet, tiny: str, tmp_path: Path):
    (tmp_path / "uploaded").mkdir()
    path = str(a_series(tmp_path / "uploaded"))
    result = segment_large(model, path, tmp_path / "out", outputs=["mask"])
    assert (result.image.pages, result.image.height) == (1, 16)
    shown = segment_file(path, tiny)
    assert (shown.image.pixels == OWN).all()
    with pytest.raises(UnsupportedLayoutError, match="no page 1"):
        segment_file(path, tiny, place=Place(page=1))
    assert (label_image._read(Path(path)).values == OWN).all()


def test_a_single_place_opens_tiffs():
    root = Path(__file__).parents[2]
    sources = [
        path for part in ("unet_hf", "train", "demo") for path in (root / part).rglob("*.py")
    ]
    opening = re.compile(r"tifffile\.(TiffFile|TiffReader|imread|memmap|TiffSequence)\(")
    found = [path.name for path in sources if opening.search(path.read_text("utf-8"))]
    assert found == ["tiff_file.py"]


def test_a_folder_of_a_series_gives_each_plane_once(tmp_path: Path):
    names = [f"s_t{n}.ome.tif" for n in range(3)]
    paths = [write_ome(tmp_path / name, n, ome(names, own=n)) for n, name in enumerate(names)]
    images = [read_image(path) for path in paths]
    assert [image.pages for image in images] == [pages_of(path, None) for path in paths] == [1] * 3
    assert [image.pixels[0, 0, 0] for image in images] == [0, 1, 2]
    assert {image.notes for image in images} == {
        ("one of 3 files of a series; only this one was read",)
    }


def test_a_renamed_file_is_still_itself(tmp_path: Path):
    xml = ome(["as_it_was_called.ome.tif"])
    for name, description in (("a.tif", xml), ("b.tif", xml.replace(' UUID="urn:uuid:0"', ""))):
        image = read_image(write_ome(tmp_path / name, OWN, description))
        assert (image.pixels == OWN).all() and image.notes == ()


@pytest.mark.parametrize("axis", ["C", "Z"])
def test_planes_that_are_not_there_are_said(axis: str, tmp_path: Path):
    path = write_ome(tmp_path / "few.ome.tif", OWN, ome(["few.ome.tif"], **{axis: 3}))
    image = read_image(path)
    assert (image.pages, image.channels, image.notes) == (1, 1, (FEWER,))
    assert (image.pixels == OWN).all()


NAMED = "99999999999"  # planes: a list of them would fill the memory
HUGE = {
    "ome.tif": ome(["ome.tif"], Z=int(NAMED)),
    "count.ome.tif": ome(["count.ome.tif"]).replace('Count="1"', f'Count="{NAMED}"'),
    "imagej.tif": f"ImageJ=1.54f\nimages={NAMED}\nslices={NAMED}\n",
    "shaped.tif": f'{{"shape": [{NAMED}, 16, 16]}}',
}


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=["plain", "packed"])
@pytest.mark.parametrize("name", HUGE)
def test_planes_beyond_any_file_cost_no_memory(name: str, options: dict, tmp_path: Path):
    path = tmp_path / name
    tifffile.imwrite(path, plane(OWN), description=HUGE[name], metadata=None, **options)
    image = read_image(path)
    assert image.pages == 1 and (image.pixels == OWN).all()


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=["plain", "packed"])
def test_an_imagej_stack_gives_the_images_that_are_there(options: dict, tmp_path: Path):
    stack = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 9), np.uint8)
    description = "ImageJ=1.54f\nimages=10\nchannels=2\nslices=5\nhyperstack=true\n"
    path = tmp_path / "few.tif"
    tifffile.imwrite(path, stack, description=description, metadata=None, **options)
    # Planes 0 and 1 are a page of two channels, so are 2 and 3; 4 has no second channel.
    assert read_image(path).notes[0] == FEWER
    assert [read_image(path, page=n).pixels[0, 0].tolist() for n in (0, 1)] == [[0, 1], [2, 3]]
    assert read_image(path).pages == pages_of(path, None) == 2


def test_a_stack_that_was_cut_off_gives_its_whole_planes(tmp_path: Path):
    stack = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 9), np.uint8)
    for name, axes in (("imagej.tif", "ZYX"), ("shaped.tif", "QYX")):
        path = tmp_path / name
        tifffile.imwrite(path, stack, imagej=name == "imagej.tif", metadata={"axes": axes})
        with tifffile.TiffFile(path) as tiff:
            start = tiff.pages.first.dataoffsets[0]
        path.write_bytes(path.read_bytes()[: start + 3 * 72 + 50])
        image = read_image(path, page=2)
        assert (image.pages, image.axes) == (3, axes) and (image.pixels == 2).all()
        assert image.notes[0] == FEWER


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe.tif")
    (tmp_path / "null.tif").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # the path of a socket may not be long
        server.bind("socket.tif")
        os.chdir(here)
    reading = (
        read_image,
        lambda path: open_image(path).__enter__(),
        lambda path: label_image.read_truth(path, None),
        lambda path: row_bytes(str(path)),
        lambda path: pages_of(path, None) == 1 and not is_large(path) and read_image(path),
    )
    said = {"pipe.tif": "a named pipe", "link.png": "a named pipe", "null.tif": "a device",
            "socket.tif": "a socket"}  # fmt: skip

    def refuse(path: Path, read: Callable) -> None:
        with pytest.raises((ImageError, DatasetError), match=f"{said[path.name]}|no regular file"):
            read(path)
        passed.append(path)

    passed: list[Path] = []
    for name in said:
        for read in reading:
            thread = threading.Thread(target=refuse, args=(tmp_path / name, read), daemon=True)
            thread.start()
            thread.join(20)
            assert not thread.is_alive(), f"{name} hangs"
    assert len(passed) == len(said) * len(reading)


def test_a_zarr_holds_nothing_that_leads_outside(tmp_path: Path):
    def written(name: str, value: int) -> Path:
        array = zarr.open(str(tmp_path / name), mode="w", shape=(8, 8), chunks=(4, 8), dtype="u1")
        array[:] = value
        return tmp_path / name

    secret, own = written("secret.zarr", SECRET), written("own.zarr", OWN)
    chunk = own / "c/0/0"
    chunk.rename(own / "c/0/kept")
    chunk.symlink_to("kept")  # a link within is as good as a file
    with open_image(own) as image:
        assert (image.pixels[0:8] == OWN).all()
    chunk.unlink()
    for target in (secret / "c/0/0", "/dev/null"):
        chunk.symlink_to(target)
        with pytest.raises(UnreadableImageError, match="leads outside"), open_image(own):
            pass
        chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(UnreadableImageError, match="a named pipe"), open_image(own):
        pass
    group = zarr.open_group(str(tmp_path / "group.zarr"), mode="w")
    scales = [{"datasets": [{"path": "../secret.zarr"}], "axes": ["y", "x"]}]
    group.attrs["ome"] = {"multiscales": scales}
    with pytest.raises(UnreadableImageError, match="outside"), open_image(tmp_path / "group.zarr"):
        pass


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(texts: bytes, pixels: np.ndarray) -> bytes:
    """A PNG with further chunks before its pixels."""
    content = imagecodecs.png_encode(pixels)
    return content[:33] + texts + content[33:]


MUCH = zlib.compress(bytes(2_000_000))
TURNED = zlib.compress(b'<x tiff:Orientation="6"/>' + b" " * 2_000_000)
TEXTS = {
    "texts": (b"zTXt", b"c\0\0" + MUCH),
    "international text": (b"iTXt", b"c\0\1\0\0\0" + MUCH),
    "profile": (b"iCCP", b"c\0\0" + MUCH),
    "EXIF": (b"eXIf", b"MM\0*" + bytes(2_000_000)),
    "damaged text": (b"zTXt", b"XML:com.adobe.xmp\0\0" + MUCH[:99]),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_png_with_much_text_is_a_png(kind: str, tmp_path: Path):
    path = tmp_path / "a.png"
    for pixels in (np.arange(48, dtype=np.uint8).reshape(6, 8), np.ones((6, 8, 3), np.uint16)):
        path.write_bytes(png_with(chunk(*TEXTS[kind]) * (40 if kind == "texts" else 1), pixels))
        assert np.array_equal(read_image(path).pixels, np.atleast_3d(pixels))
        assert np.array_equal(read_mask(path.read_bytes()).values, pixels)


def test_a_long_text_may_still_say_how_a_png_is_turned(tmp_path: Path):
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + TURNED)
    (tmp_path / "a.png").write_bytes(png_with(xmp, pixels))
    assert np.array_equal(read_image(tmp_path / "a.png").pixels[..., 0], np.rot90(pixels, -1))


def test_a_bomb_is_refused_for_its_size(tmp_path: Path):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
    content = png_with(chunk(*TEXTS["texts"]), np.ones((6, 8), np.uint8))
    (tmp_path / "a.png").write_bytes(content[:8] + header + content[33:])
    with pytest.raises(ImageError, match="too large"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="too large"):
        read_mask((tmp_path / "a.png").read_bytes())


def test_only_wanted_formats_are_opened(tmp_path: Path):
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for read in (read_image, lambda path: read_mask(path.read_bytes())):
        with pytest.raises((ImageError, DatasetError), match="known format"):
            read(tmp_path / "a.eps")


def test_further_pictures_of_a_camera_and_sizes_of_an_icon_are_no_pages(tmp_path: Path):
    photo = PIL.Image.new("RGB", (40, 30), (9, 9, 9))
    photo.save(tmp_path / "a.mpo", save_all=True, append_images=[photo.resize((8, 6))])
    PIL.Image.new("RGB", (64, 64)).save(tmp_path / "a.ico", sizes=[(16, 16), (64, 64)])
    for name, width, word in (("a.mpo", 40, "camera"), ("a.ico", 64, "largest")):
        image = read_image(tmp_path / name)
        assert (image.pages, image.width) == (1, width) and word in image.notes[0]
        assert pages_of(tmp_path / name, None) == 1
