"""The paper's recipe, part by part, against references written out plainly."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from benchmarks.augmentation import naive_border_weights, our_elastic, scipy_elastic
from benchmarks.training import ReferenceUNet
from demo.synthetic import electron_micrograph, fluorescence_nuclei
from train.crops.augmentation import Augmentation, sampling_grid
from train.crops.border_weights import BALANCES, border_weights, class_weights
from train.crops.colors import invert, mix_channels
from train.crops.workers import choose_workers
from train.malloc import keep_memory
from unet_hf import UNet
from unet_hf.errors import ConfigError


@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_border_weights_equal_the_papers_equation(sigma):
    instances = fluorescence_nuclei(160, 25, seed=2).instances
    expected = naive_border_weights(instances, 10, sigma)
    found = border_weights(instances, 10, sigma)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 2e-6


@pytest.mark.parametrize("seed", range(5))
def test_border_weights_of_scattered_pieces_and_any_ids_equal_the_papers_equation(seed):
    rng = np.random.default_rng(seed)
    ids = np.array([0, 1, -3, 2**40, 7, 65535])  # an id may have several pieces
    instances = ids[rng.choice(6, (37, 61), p=[0.95, *[0.01] * 5])]
    expected = naive_border_weights(instances, 10, 3.0)
    assert np.abs(border_weights(instances, 10, 3.0) - expected).max() < 2e-6


def test_border_weights_do_not_depend_on_how_objects_are_numbered():
    instances = electron_micrograph(96, 12, seed=1).instances
    ids = np.unique(instances[instances > 0])
    renumbered = np.zeros_like(instances)
    for index in ids:
        renumbered[instances == index] = 1000 - 7 * index
    assert np.array_equal(border_weights(instances), border_weights(renumbered))


def test_border_weights_of_fewer_than_two_objects_are_zero():
    one = np.zeros((20, 20), int)
    assert border_weights(one).max() == 0
    one[5:9, 5:9] = 3
    assert border_weights(one).max() == 0
    assert border_weights(np.ones((5, 5), int)).max() == 0


def test_two_touching_objects_are_parted_by_the_full_weight():
    instances = np.zeros((11, 21), int)
    instances[:, :10], instances[:, 11:] = 1, 2
    weights = border_weights(instances, w0=10, sigma=5)
    assert weights[5, 10] == pytest.approx(10 * np.exp(-(2**2) / 50))  # d1 = d2 = 1
    assert weights[:, :10].max() == weights[:, 11:].max() == 0


@pytest.mark.parametrize("balance", BALANCES)
def test_class_weights_average_one_and_leave_ignored_pixels_out(balance):
    label = np.repeat(np.array([0, 1, 3, 255], np.uint8), [85, 10, 3, 2]).reshape(10, 10)
    counts = np.bincount(label.ravel(), minlength=256)[:5]  # classes 2 and 4 are not there
    weights = class_weights(label, counts, balance)
    assert weights.dtype == np.float32
    assert weights[label != 255].mean() == pytest.approx(1)
    assert (weights[label == 255] == 0).all()
    shares = counts / counts.sum()
    assert np.allclose(class_weights(label, shares, balance), weights, rtol=1e-6)


def test_class_balances_weigh_a_rare_class_as_they_say():
    label = np.array([[0, 1]], np.uint8)
    ratios = {
        balance: np.divide(*class_weights(label, np.array([9900, 100]), balance)[0, ::-1])
        for balance in BALANCES
    }
    assert ratios == pytest.approx(
        {
            "none": 1,
            "sqrt": 99**0.5,
            "inverse": 99,
            "effective": (1 - 0.9999**99_000) / (1 - 0.9999**1000),
        }
    )


def test_an_unknown_class_balance_is_refused():
    with pytest.raises(ConfigError, match="none, sqrt, inverse, effective"):
        class_weights(np.zeros((2, 2), np.uint8), np.ones(2), "root")


def plain(size, **options):
    """An augmentation with everything off but what is asked for."""
    off = {
        "elastic_std": 0,
        "rotation": 0,
        "scale_range": 1,
        "flip": False,
        "gray_std": 0,
        "noise_std": 0,
    }
    return Augmentation(size, **(off | options))


def labelled_picture(size=64, seed=0):
    drawing = fluorescence_nuclei(size, 10, seed)
    image = torch.from_numpy(drawing.image / np.float32(255))[None]
    label = torch.from_numpy(drawing.label)
    return image, label, label[None] * torch.tensor([1, 0.5, -1])[:, None, None]


def test_a_crop_of_the_images_own_size_without_augmentation_is_the_image():
    image, label, planes = labelled_picture()
    crop, crop_label, crop_planes = plain(64).crop(image, label, planes, np.random.default_rng(0))
    assert torch.allclose(crop, image, atol=1e-4)
    assert torch.equal(crop_label, label.long())
    assert torch.allclose(crop_planes, planes, atol=1e-4)


def test_image_label_and_planes_are_deformed_alike():
    image, label, planes = labelled_picture()
    image = label[None].float()  # the label as the image: wherever it goes, the label must go
    augmentation = plain(48, elastic_std=4, rotation=180, scale_range=1.3, flip=True)
    for seed in range(5):
        crop, crop_label, crop_planes = augmentation.crop(
            image, label, planes, np.random.default_rng(seed)
        )
        assert ((crop[0] > 0.5).long() == crop_label).float().mean() > 0.98
        assert ((crop_planes[0] > 0.5).long() == crop_label).float().mean() > 0.98
        assert torch.allclose(crop_planes[1], crop_planes[0] / 2, atol=1e-6)
        assert torch.equal(crop_planes[1] * -2, crop_planes[2])
        same = augmentation.crop(image, label.float(), planes, np.random.default_rng(seed))
        assert torch.equal(same[1], crop_label) and same[1].dtype == torch.int64


def test_the_same_state_of_chance_gives_the_same_crop():
    augmentation = Augmentation(48, channel_mixing=0.5, inversion=0.5)
    first, second = (
        augmentation.crop(*labelled_picture(), np.random.default_rng([3, 14])) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_channels_are_permuted_and_mixed_and_gray_stays_gray():
    color = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    gray = color[:1].expand(3, -1, -1)
    orders, mixtures = set(), 0
    for seed in range(100):
        mixed = mix_channels(color, 0.5, np.random.default_rng(seed))
        same = (mixed[:, None] == color).all(dim=(2, 3))  # (of the crop, of the image)
        if same.any():
            orders.add(tuple(same.long().argmax(dim=1).tolist()))
            assert torch.equal(same.sum(0), torch.ones(3)), "a channel is there twice"
        else:
            mixtures += 1
        grays = mix_channels(gray, 0.5, np.random.default_rng(seed))
        assert torch.allclose(grays, gray, atol=1e-5)
    assert len(orders) == 6
    assert 35 <= mixtures <= 65


def test_light_and_dark_are_swapped_as_often_as_asked():
    crop = torch.randn(2, 8, 8)
    swapped = 0
    for seed in range(60):
        inverted = invert(crop, 0.3, np.random.default_rng(seed))
        swapped += torch.equal(inverted, -crop)
        assert torch.equal(inverted, -crop) or torch.equal(inverted, crop)
    assert 9 <= swapped <= 27


def test_colours_off_leave_chance_as_it_was():
    """Default crops are those of trainings before there were such options."""
    image, label, planes = labelled_picture()
    image = torch.cat([image, image**2, 1 - image])
    rng, other = np.random.default_rng(1), np.random.default_rng(1)
    assert mix_channels(image, 0.0, rng) is image
    assert mix_channels(image[:1], 1.0, rng).shape == (1, 64, 64)  # nothing to mix in one channel
    assert invert(image, 0.0, rng) is image
    assert rng.random() == other.random()
    (crop, *_), (inverted, *_) = (
        plain(48, channel_mixing=1, inversion=share).crop(
            image, label, planes, np.random.default_rng(1)
        )
        for share in (0.0, 1.0)
    )
    assert torch.equal(inverted, -crop)


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (40, 300)])
def test_images_smaller_than_the_crop_are_mirrored(size):
    image = torch.rand(1, *size)
    label = torch.randint(0, 2, size, dtype=torch.uint8)
    crop, crop_label, *_ = Augmentation(64).crop(
        image, label, torch.zeros(0, *size), np.random.default_rng(0)
    )
    assert crop.shape == (1, 64, 64)
    assert crop.isfinite().all()
    assert set(crop_label.unique().tolist()) <= {0, 1}


def test_elastic_displacement_is_scipys_spline_through_a_coarse_grid():
    size, image_size, center = 96, (200, 150), (70.0, 90.0)
    coarse = np.random.default_rng(5).normal(0, 10, (2, 3, 3))
    turn = np.array([[0.9, -0.4], [0.3, 1.1]])
    grid = sampling_grid(size, image_size, center, turn, coarse)
    assert grid.dtype == torch.float32
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    dx, dy = (ndimage.zoom(displacement, size / 3, order=3) for displacement in coarse)
    position = np.stack([x + dx, y + dy], axis=-1) @ turn.T + center
    found = (grid.double().numpy() + 1) * (np.array([150, 200]) - 1) / 2
    assert np.abs(found - position).max() < 2e-5


def test_bilinear_deformation_is_scipys():
    drawing = electron_micrograph(128, 12)
    image = drawing.image / np.float32(255)
    expected, expected_label = scipy_elastic(image, drawing.label, np.random.default_rng(1))
    found, label = our_elastic(
        torch.from_numpy(image), torch.from_numpy(drawing.label), np.random.default_rng(1)
    )
    assert np.abs(found.numpy() - expected).max() < 1e-5
    # A position half-way between two pixels may fall to either.
    assert (label.numpy() != expected_label).mean() < 1e-3


def test_the_papers_coarse_displacements_are_met_at_the_crops_corners():
    coarse = np.random.default_rng(0).normal(0, 10, (2, 3, 3))
    grid = sampling_grid(32, (32, 32), (15.5, 15.5), np.eye(2), coarse)
    corners = (grid[[0, 0, -1, -1], [0, -1, 0, -1]].double().numpy() + 1) * 31 / 2
    places = np.array([[0, 0], [31, 0], [0, 31], [31, 31]])
    expected = places + coarse[:, [0, 0, 2, 2], [0, 2, 0, 2]].T
    assert np.abs(corners - expected).max() < 1e-4


def test_the_corners_of_crops_are_displaced_as_far_as_asked():
    size, std = 32, 10.0
    ramp = torch.arange(300.0).expand(1, 300, 300)  # shows where in x a pixel came from
    label, planes = torch.zeros(300, 300), torch.ones(1, 300, 300)
    augmentation = plain(size, elastic_std=std)
    tops = torch.stack(
        [
            augmentation.crop(ramp, label, planes, np.random.default_rng(seed))[0][0, 0]
            for seed in range(500)
        ]
    )
    widths = tops[:, -1] - tops[:, 0]
    # Mirrored at the border where a crop lies close to it, hence the median and not the mean.
    assert widths.median().item() == pytest.approx(size - 1, abs=2)
    spread = widths.quantile(0.75) - widths.quantile(0.25)
    assert spread.item() == pytest.approx(1.349 * std * 2**0.5, rel=0.15)


def test_the_benchmarks_reference_computes_what_our_network_computes():
    ours, reference = UNet(1, 2, base_channels=4).eval(), ReferenceUNet(1, 2, 4).eval()
    pairs = zip(reference.state_dict().values(), ours.state_dict().values(), strict=True)
    for theirs, value in pairs:
        theirs.copy_(value)
    # In double precision: kernels that add in another order must not decide.
    image = torch.randn(1, 1, 32, 48, dtype=torch.float64)
    assert torch.allclose(reference.double()(image), ours.double()(image), rtol=0, atol=1e-10)


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")  # of kernels that have them


def run_apart(program: str) -> list[str]:
    """Runs Python code in a process of its own; returns the words that it prints."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_kept_memory_is_not_asked_for_again():
    program = """
import resource
import numpy as np
from train.malloc import keep_memory
kept = keep_memory()
np.ones(2**23).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(2**23).sum()  # 64 MiB, 16384 pages
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    if sys.platform == "win32":
        assert not keep_memory()
        return
    # In a process of its own: the setting is for good.
    kept, faults = run_apart(program)
    assert kept == str(platform.libc_ver()[0] == "glibc")
    assert kept == "False" or int(faults) < 100


# Whether a new tensor lies in pages that may be huge ("hg", see proc(5)), and the kilobytes that
# the process has grown by.
GROWN = """
import resource
import numpy as np
import torch
from pathlib import Path
from train.malloc import keep_memory

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))

{limit}
before = resident()
keep_memory()
data = torch.ones(2**23)
middle = data.data_ptr() + 2**24
for line in Path("/proc/self/smaps").read_text().splitlines():
    head, *words = line.split()
    if not head.endswith(":"):
        first, last = (int(end, 16) for end in head.split("-"))
    elif head == "VmFlags:" and first <= middle < last:
        print("hg" in words)
print(resident() - before)
"""
KNOWS_HUGE_PAGES = platform.libc_ver()[0] == "glibc" and HUGE_PAGES.is_dir()


@pytest.mark.skipif(not KNOWS_HUGE_PAGES, reason="glibc and a Linux with huge pages have them")
def test_what_a_training_keeps_may_lie_in_huge_pages_and_takes_no_memory_before_it_is_used():
    huge, kilobytes = run_apart(GROWN.format(limit=""))
    assert huge == "True"
    assert int(kilobytes) < 3 * 2**15  # 32 MiB of numbers, and what surrounds them


@pytest.mark.skipif(not KNOWS_HUGE_PAGES, reason="glibc and a Linux with huge pages have them")
@pytest.mark.parametrize("limit", ["DATA", "AS"])
def test_a_process_with_a_bound_keeps_its_addresses_for_all_else(limit):
    """With a heap that took them, no further thread could start."""
    bound = f"resource.setrlimit(resource.RLIMIT_{limit}, (2**33, resource.RLIM_INFINITY))"
    more = "print(len(np.frombuffer(__import__('mmap').mmap(-1, 5 * 2**30), np.uint8)))"
    _, _, mapped = run_apart(GROWN.format(limit=bound) + more)
    assert mapped == str(5 * 2**30)


@pytest.mark.parametrize(
    ("given", "device", "cores", "streaming", "expected"),
    [
        (None, "cpu", 2, False, 0),
        (None, "cpu", 1, False, 0),
        (None, "cpu", 8, False, 1),
        (None, "cpu", 2, True, 1),
        (None, "cuda", 2, False, 1),
        (3, "cpu", 2, False, 3),
        (0, "cuda", 8, True, 0),
        (3, "cpu", 8, True, 1),
    ],
)
def test_two_cores_compute_and_do_not_share_with_a_process_for_crops(
    given, device, cores, streaming, expected, monkeypatch
):
    monkeypatch.setattr("train.crops.workers.cores", lambda: cores)
    assert choose_workers(given, torch.device(device), streaming) == expected
