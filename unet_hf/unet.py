"""`UNet`: a network that segments images and can be loaded, saved and shared."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .engine.calibration import Calibration, calibrate, feature_maps
from .engine.scope import Scope
from .hub.few_missed import settled_threshold
from .hub.int8_record import read_calibration
from .hub.mixin import CheckpointMixin
from .hub.scope_record import read_own_scope, state_of
from .images.reading import ImageSource
from .network.network import Network
from .predict.segment import segment
from .predict.segmentation import Segmentation

if TYPE_CHECKING:
    from .film import TrackedFilm
    from .film.frames import FilmSource


class UNet(
    Network,
    CheckpointMixin,
    library_name="unet_hf",
    pipeline_tag="image-segmentation",
):
    """A U-Net with everything a prediction needs: weights, classes, normalisation, tiling.

    Args:
        in_channels: Channels of the image, 1 for gray, 3 for RGB.
        num_classes: Number of classes, 2 to 256, background included.
        base_channels: Channels at full resolution; doubled at each of the `depth` poolings.
        depth: Number of poolings, 1 to 8.
        padding: "same" keeps the image's size; "valid" is the paper's, and trims the borders.
        norm: "batch" or "none", after each 3x3 convolution.
        upsampling: "transposed" (2x2 transposed convolution, the paper's) or "bilinear".
        dropout: Probability of dropping a feature at the end of the contracting path.
        id2label: Name of each class, `{"0": "membrane", "1": "cell"}`.
        colors: Colour of each class in overlays and masks, "#rrggbb".
        preprocessing: Channel names and normalisation, see `Preprocessing`. None: by each image's
            own mean and deviation, with outliers clipped; a mapping says that by itself.
        threshold: Two classes only: a pixel is class 1 where its probability exceeds this.
            None: the more probable class wins (0.5).
        tile_size: Side of the largest window shown to the network at once, in pixels.
        title: What people call this checkpoint, e.g. "Cell nuclei".
        objects: How `Segmentation.objects` finds objects by default, e.g.
            `{"method": "watershed", "min_size": 20}`.
        object_outputs: What the network tells of each pixel beside its class, so that touching
            objects can be parted, e.g. `{"version": 1, "channels": ["distance"]}`; see
            `object_channels`. None: nothing.
        max_channels: Channels are doubled only up to this number, so that a deep network stays
            small. None: at each pooling.
        tracking: Options of `unet_hf.tracking.link` that `track` goes by where none are given,
            `{"divisions": 0.02}`: how often cells divide in such films. None: those of `link`.

    Raises:
        ConfigError: An option is not usable; the message says what would be.

    Example:
        >>> import torch
        >>> UNet(in_channels=3, num_classes=5)(torch.zeros(1, 3, 100, 130)).shape
        torch.Size([1, 5, 100, 130])
    """

    _reads_calibration = True  # of the checkpoint's folder, until another one is set

    # The scope of the checkpoint's folder, and the state of the weights that it was read for.
    _scope: tuple[tuple, Scope | None] | None = None

    @property
    def scope(self) -> Scope | None:
        """How the training images look to the network, as stored beside the loaded weights.

        None where it is not stored, and when the weights have changed since they were loaded,
        except through `.data` or NumPy.
        """
        if self.origin is None:
            return None
        state = state_of(self)
        if self._scope is None or self._scope[0] != state:
            self._scope = state, read_own_scope(self, self.origin.folder)
        return self._scope[1]

    @property
    def calibration(self) -> Calibration | None:
        """The ranges that int8 needs, from `calibrate` or stored beside the loaded weights."""
        if self._calibration is None and self._reads_calibration and self.origin is not None:
            self._calibration = read_calibration(self.origin.folder, feature_maps(self))
        return self._calibration

    @calibration.setter
    def calibration(self, calibration: Calibration | None) -> None:
        self._calibration, self._reads_calibration = calibration, False

    def settled_threshold(self, threshold: float | str | None) -> float | None:
        """Returns the number that "few_missed" stands for; numbers and None stay.

        Raises:
            ConfigError: There is no threshold of that name.
        """
        return settled_threshold(self, threshold)

    def segment(
        self,
        image: ImageSource,
        *,
        page: int = 0,
        axes: str | None = None,
        channel: int | None = None,
        threshold: float | str | None = None,
        tile_size: int | None = None,
        precision: str = "auto",
        tta: bool = False,
        progress: Callable[[int, int], None] | None = None,
        level: int = 0,
    ) -> Segmentation:
        """Predicts the class of every pixel. The training mode of each module is restored.

        Args:
            image: A path, a NumPy array ((H, W) or (H, W, C), any dtype) or a PIL image.
            page: Which page of a multi-page TIFF or animation, counted from 0.
            axes: Meaning of the axes of an array or TIFF, e.g. "CYX"; None: as the file says.
            channel: The only channel to use, counted from 0, as a gray image; None: all.
            level: Which resolution of a TIFF pyramid, counted from 0, the finest. Outlines and
                tables of objects are in pixels of the finest.
            threshold: Two classes only: overrides the checkpoint's decision threshold. "few_missed"
                is the one of its `evaluation.json` at which at most 10 % of class 1 is expected
                to be missed on new images, if they are like those it was measured on.
            tile_size: Overrides the checkpoint's; a smaller one needs less memory. The result
                does not depend on it, except that in float32 layers with 1024 channels or more
                round differently by 1e-5 in windows under 240 pixels at depth 4. Without it, an
                image in a single window may be computed in a faster way, which rounds by about as
                much differently.
            precision: Precision of the network's arithmetic: "float32", "bfloat16" or "float16".
                "auto" is the one that the device is fast in, and changes few pixels, see the
                README; the result says which it was. "int8" is faster still on most CPUs, changes
                more pixels, and is never chosen by "auto"; the network must be calibrated for it,
                see `calibrate`. "fast" is "int8" where the checkpoint's record says that no score
                loses more than 0.001 by it, and the average precision of objects no more than
                0.005, and where int8 is known to be the fastest on this CPU; otherwise "auto". A
                note of the result says which it was, and why.
            tta: Test-time augmentation: the mean over the eight rotations and flips of the image,
                eight times as slow; the result then has an `uncertainty`.
            progress: Called as `progress(done, total)` after each tile, and a few times a second
                within a tile that takes long. What it raises ends the prediction. It must not
                predict anything, nor wait for a thread that does.

        Returns:
            A `Segmentation` of the image's own size and orientation.

        Raises:
            ImageError: The image cannot be read or does not fit; the message says why.
            ConfigError: `threshold`, `tile_size` or `precision` is not usable.
            PrecisionError: The network's values exceed what float16 can hold.
            CalibrationError: The precision is int8, and the network is not calibrated for it.
            NestedPredictionError: `progress` predicts.
        """
        return segment(
            self,
            image,
            page=page,
            axes=axes,
            channel=channel,
            level=level,
            threshold=self.settled_threshold(threshold),
            tile_size=tile_size,
            precision=precision,
            tta=tta,
            progress=progress,
        )

    def track(
        self,
        film: "FilmSource",
        *,
        output: str | os.PathLike | None = None,
        axes: str | None = None,
        channel: int | None = None,
        threshold: float | str | None = None,
        tile_size: int | None = None,
        precision: str = "auto",
        objects: Mapping[str, Any] | None = None,
        linking: Mapping[str, Any] | None = None,
        frame_interval: float | str | None = None,
        only: Collection[str] | None = None,
        progress: Callable[[int, int], bool | None] | None = None,
    ) -> "TrackedFilm":
        """Segments the frames of a film, and follows their objects through time.

        Memory does not grow with the film, except for the tracks and, without `output`, for the
        objects of each frame, compressed.

        Args:
            film: A stack or an animation; a folder with an image for each frame, in the order of
                their names, in which 10 comes after 9; a list of images; or an array, (T, H, W)
                unless `axes` says otherwise. Z is never taken for time unless `axes` says so.
            output: A folder for the results, see `TrackedFilm.save`, and for the objects of each
                frame: a run that was stopped or killed goes on there.
            axes, channel, threshold, tile_size, precision: See `segment`.
            objects: Options of `Segmentation.objects`, e.g. {"min_size": 30}.
            linking: Options of `unet_hf.tracking.link`, e.g. {"divisions": 0}. How often cells
                divide is otherwise what the checkpoint says, see `tracking`; the notes say it.
            frame_interval: The time between two frames, in seconds or e.g. "5min", for speeds and
                times in the tables. None: as the file says (ImageJ's finterval, OME's
                TimeIncrement, OME-Zarr's scale of time); where it does not, speeds are for each
                frame.
            only: What is written into `output`, see `TrackedFilm.save`; None: tables, masks and
                lineage. What an earlier run has written there, and is not asked for now, is
                removed: it may be of another linking.
            progress: Called as `progress(done, frames)` after each frame, and a few times a second
                while one is segmented. If it returns False, the film ends with the frames that are
                done, which are linked and saved; a note says how many there are. What it raises
                ends the run.

        Raises:
            ImageError: A frame cannot be read or does not fit, or planes are not frames in time.
            ShapeError: Frames differ in size.
            ConfigError: There is one frame only, an option is not usable, or `output` holds
                something else.
        """
        from .film import track

        return track(
            self,
            film,
            output=output,
            axes=axes,
            channel=channel,
            threshold=self.settled_threshold(threshold),
            tile_size=tile_size,
            precision=precision,
            objects=objects,
            linking=linking,
            frame_interval=frame_interval,
            only=only,
            progress=progress,
        )

    def calibrate(self, images: Iterable[ImageSource]) -> None:
        """Measures the range of values in each feature map, which `precision="int8"` needs.

        About ten typical images are enough; labels are not needed. The calibration is lost when
        the weights change. `save_pretrained` stores it.

        Args:
            images: What `segment` takes as its image.

        Raises:
            ImageError: An image cannot be read or does not fit; the message says why.
            CalibrationError: There is no image.
        """
        self.calibration = calibrate(self, images)
