"""Draws numbered random crops: crop k is the same in every process and after every restart.

A training uses the crops 0, 1, 2 ... The seed and k alone decide which image crop k is cut from,
where, and how it is deformed. So several processes share the numbers and together see what one
process would, and a resumed training continues at its number.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from unet_hf.data.cache import BoundedCache
from unet_hf.data.detect_encoding import IGNORE
from unet_hf.data.pairs import Pair, Pairs, StreamedPairs, instance_ids
from unet_hf.errors import DatasetError
from unet_hf.images.preprocessing import Preprocessing

from ..config import TrainingConfig
from .augmentation import Augmentation
from .border_weights import border_weights, class_weights
from .class_sampling import draw_class, draw_place, find_places
from .object_targets import object_targets
from .shares import draw_shares
from .workers import choose_workers

# image (C, s, s) float32, label (s, s) int64, weights (s, s), targets of objects (n, s, s)
Crop = tuple[Tensor, Tensor, Tensor, Tensor]
# What they are cut from: a whole image, its label, and weights and targets in one tensor, so that a
# crop costs the same in an image of any size; and, if it is to show classes, the places of each.
Prepared = tuple[Tensor, ...]

ENDLESS = 2**40  # steps: more than any training has
PREFETCHED = 4  # batches that each worker makes before they are asked for
PREPARED_BYTES = 1.5 * 2**30  # of normalized images and weight maps, kept by each worker


class CropSampler:
    """Yields the crop numbers of one process, step after step.

    Step s has the numbers s * n ... s * n + n - 1. They are distributed in batches: first a batch
    to each process, then the next micro-batch to each.
    """

    def __init__(self, config: TrainingConfig, first_step: int, process: int, processes: int):
        self.batch = config.train_batch_size
        # What is fitted to a time may get more steps than it begins with.
        last = ENDLESS if config.fitted_to else config.max_train_steps
        self.steps = range(first_step, last)
        self.micro_batches = config.gradient_accumulation_steps
        self.process, self.processes = process, processes

    def __iter__(self) -> Iterator[int]:
        for micro_batch in range(
            self.steps.start * self.micro_batches, self.steps.stop * self.micro_batches
        ):
            start = (micro_batch * self.processes + self.process) * self.batch
            yield from range(start, start + self.batch)

    def __len__(self) -> int:
        return len(self.steps) * self.micro_batches * self.batch


class CropMaker:
    """Makes a crop from a pair and a number."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        augmentation: Augmentation,
        counts: np.ndarray,
        config: TrainingConfig,
        object_channels: Sequence[str] = (),
    ) -> None:
        """object_channels: What the network tells of objects, see `Network.object_channels`."""
        self.preprocessing = preprocessing
        self.augmentation = augmentation
        self.counts = counts  # (classes,) pixels of each class in the training split
        self.config = config
        self.object_channels = object_channels
        self.class_sampling = config.class_sampling or 0.0

    @property
    def pixel_bytes(self) -> int:
        """Memory of a pixel of a prepared image: image, label, weights and targets."""
        return 4 * (len(self.preprocessing.channels) + 1 + 1 + len(self.object_channels))

    def generator(self, number: int) -> np.random.Generator:
        """Makes the random generator of a crop number."""
        return np.random.default_rng([self.config.seed, number])

    def prepare(self, pair: Pair) -> Prepared:
        """Prepares what crops are cut from: image (C, H, W), label (H, W), weights and targets
        (1 + n, H, W), all float32, and with `class_sampling` what `find_places` finds."""
        config = self.config
        image = self.preprocessing.prepare(pair.image).whole()
        weights = class_weights(pair.label, self.counts, config.class_balance)
        ids = instance_ids(pair)
        if config.border_weight > 0:
            border = border_weights(ids, config.border_weight, config.border_sigma)
            weights = np.where(pair.label == IGNORE, 0, weights + border).astype(np.float32)
        targets = object_targets(ids, self.object_channels)
        places = find_places(pair.label) if self.class_sampling else []
        planes = np.concatenate([weights[None], targets])
        label = pair.label.astype(np.float32)
        return image, torch.from_numpy(label), torch.from_numpy(planes), *places

    def cut(self, prepared: Prepared, rng: np.random.Generator, shown: int | None = None) -> Crop:
        """Cuts a random crop: image (C, s, s), label (s, s), weights (s, s), targets (n, s, s).

        shown: A class that the crop shows, if the image does; None: it is cut anywhere.
        """
        image, label, planes, *places = prepared
        focus = None
        if shown is not None and shown < len(places):
            focus = draw_place(places[shown], label.shape, rng)
        image, label, planes = self.augmentation.crop(image, label, planes, rng, focus)
        return image, label, planes[0], planes[1:]

    def cut_alone(self, prepared: Prepared, rng: np.random.Generator) -> Crop:
        """Cuts a random crop; a class is drawn among those of this image."""
        classes = [number for number, places in enumerate(prepared[3:]) if len(places)]
        return self.cut(prepared, rng, draw_class(classes, self.class_sampling, rng))


class RandomCrops(Dataset[Crop]):
    """Crops of pairs with random access: item k is crop number k."""

    def __init__(
        self,
        pairs: Pairs,
        areas: np.ndarray,
        maker: CropMaker,
        kinds: np.ndarray | None = None,
        shows: np.ndarray | None = None,
    ) -> None:
        """areas: (len(pairs),) pixels of each image. kinds: (len(pairs),), see `draw_shares`.
        shows: (classes, len(pairs)) bool, which image shows a class; for `class_sampling`."""
        self.pairs = pairs
        self.maker = maker
        self.cache: BoundedCache[Prepared] = BoundedCache(int(PREPARED_BYTES))
        self.all_fit = maker.pixel_bytes * areas.sum() <= PREPARED_BYTES
        self.share = draw_shares(areas, maker.augmentation.size, kinds)
        self.shows = np.zeros((0, len(pairs)), bool) if shows is None else shows
        self.classes = np.flatnonzero(self.shows.any(axis=1))

    def __getitem__(self, number: int) -> Crop:
        rng = self.maker.generator(number)
        shown = draw_class(self.classes, self.maker.class_sampling, rng)
        share = self.share
        if shown is not None:
            share = share * self.shows[shown]
            share = share / share.sum()
        position = int(rng.choice(len(self.pairs), p=share))
        return self.maker.cut(self.prepared(position), rng, shown)

    def prepared(self, position: int) -> Prepared:
        """What crops of an image are cut from; kept, if there is room."""
        return self.cache.get(
            position,
            lambda: self.prepare(position),
            lambda tensors: sum(tensor.nbytes for tensor in tensors),
        )

    def prepare(self, position: int) -> Prepared:
        """Reads and prepares an image."""
        return self.maker.prepare(self._pair(position))

    def _pair(self, position: int) -> Pair:
        """Reads a pair; keeps it decoded only if not all prepared images fit in memory.

        A prepared image is not decoded again, so to keep both would only double the memory.
        """
        return self.pairs.once(position) if self.all_fit else self.pairs[position]


class StreamedCrops(IterableDataset):
    """Crops of a stream, one an image: crop k is cut from the k-th image of the stream.

    Each item also has its place in the stream, (epoch, row) int64, so that a resumed training
    finds it again. Every process reads the whole stream and decodes only its own images.
    """

    def __init__(
        self, pairs: StreamedPairs, numbers: CropSampler, maker: CropMaker, place: tuple[int, int]
    ) -> None:
        """place: Epoch and row of the first crop of all processes."""
        self.pairs = pairs
        self.numbers = numbers
        self.maker = maker
        self.place = place

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        numbers, config = self.numbers, self.maker.config
        step_size = numbers.batch * numbers.micro_batches * numbers.processes
        number = numbers.steps.start * step_size
        wanted = iter(numbers)
        mine = next(wanted, None)
        epoch, skip = self.place
        while mine is not None:
            rows = self.pairs.epoch(epoch, config.seed, config.shuffle_buffer_size, skip)
            before = number
            for row, read in enumerate(rows, start=skip):
                if number == mine:
                    prepared = self.maker.prepare(read())
                    crop = self.maker.cut_alone(prepared, self.maker.generator(number))
                    yield *crop, torch.tensor([epoch, row])
                    mine = next(wanted, None)
                    if mine is None:
                        return
                number += 1
            if number == before and skip == 0:
                raise DatasetError("The stream of training images is empty.")
            epoch, skip = epoch + 1, 0


def crop_loader(
    dataset: RandomCrops | StreamedCrops,
    numbers: CropSampler,
    config: TrainingConfig,
    device: torch.device,
) -> DataLoader:
    """Makes the loader of batches, which workers prepare while the network computes on `device`."""
    streaming = isinstance(dataset, StreamedCrops)
    workers = choose_workers(config.dataloader_num_workers, device, streaming)
    return DataLoader(
        dataset,
        batch_size=config.train_batch_size,
        sampler=numbers if isinstance(dataset, RandomCrops) else None,
        num_workers=workers,
        prefetch_factor=PREFETCHED if workers else None,
        worker_init_fn=start_worker,
        pin_memory=torch.cuda.is_available(),
    )


def start_worker(worker: int) -> None:
    """Sets up a process that prepares crops: one thread, and it ends only with the training.

    Ctrl-C and SIGTERM reach every process of a terminal or a batch job. Only the training reacts
    to them; it needs its crops until the step is done.
    """
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigtimedwait"):  # Linux; elsewhere SIGTERM ends the worker
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_training, daemon=True).start()


def _end_with_training() -> None:
    """Waits until the training ends, then ends this process.

    PyTorch itself compares the id of the parent process. Where a server process forks the workers
    (Python 3.14 on Linux) that id never changes, and they would outlive a killed training.
    """
    training = multiprocessing.parent_process()
    if hasattr(signal, "sigtimedwait"):
        while training.is_alive():
            received = signal.sigtimedwait({signal.SIGTERM}, 1)
            if received is not None and received.si_pid == training.pid:
                os._exit(0)
    training.join()
    os._exit(1)
