"""The demo for programs: the endpoints `/segment`, `/objects` and `/models`.

Their docstrings are what people read on the API page and what agents read as descriptions of
tools; the names of their arguments are those of the API.
"""

import os
from functools import cache
from typing import Any

import gradio as gr

from unet_hf import shipped_checkpoints
from unet_hf.classes import split_names
from unet_hf.errors import ConfigError
from unet_hf.network.configuration import OBJECT_METHODS
from unet_hf.predict.overlay import Look

from .parts.endpoints import asked_by, in_one_sentence, publish, segmenting_inputs
from .server import limits, sign_in
from .server.checkpoints.model_facts import facts_of_model
from .server.checkpoints.models import Offer, checked_name, load_model
from .server.folders import ResultFolders
from .server.predictions import Place, segment_file
from .server.results.result_files import write_result
from .server.work.queue import PREDICTS
from .viewer.component import DEFAULT_ALPHA


def add_endpoint(folders: ResultFolders) -> None:
    """Adds them to the page that is being built, out of sight."""
    with gr.Row(visible=False):
        _add_segment(folders)
        _add_objects(folders)
        _add_models()


def _add_segment(folders: ResultFolders) -> None:
    def segment(
        image: str,
        model: str,
        threshold: float | None = None,
        page: int = 0,
        alpha: float = DEFAULT_ALPHA,
        channel: int | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
        request: gr.Request | None = None,
    ) -> tuple[str, str, dict[str, Any]]:
        """Segments an image: the class of every pixel, at the image's own size.

        Args:
            image: The image file: PNG, JPEG, TIFF (8 or 16 bits, float), NPY ...
            model: A shipped checkpoint such as "unet-isbi", or a Hub id "org/name".
            threshold: For two classes: a pixel is class 1 where its probability exceeds this.
                Empty: the checkpoint's own.
            page: Page of a multi-page file, from 0.
            alpha: Opacity of the classes in the overlay, 0 to 1.
            channel: Which channel alone is looked at, from 0, as a gray image. Empty: all.

        Returns:
            The overlay (PNG), the mask (indexed PNG, pixel values are class ids), and a summary
            with classes, area shares, size and seconds.
        """
        with in_one_sentence():
            with asked_by(request, profile, token) as (visitor, run):
                place = Place(page, channel)
                result = segment_file(image, model, threshold, place, visitor=visitor, run=run)
            paths = write_result(result, folders.new(), Look(alpha), ("overlay", "mask"))
        return paths["overlay"], paths["mask"], result.summary()

    inputs = [
        *segmenting_inputs("Image"),
        gr.Number(0, label="Page", precision=0),
        gr.Number(DEFAULT_ALPHA, label="Overlay opacity"),
        gr.Number(None, label="Channel", precision=0),
    ]
    outputs = [gr.File(label="Overlay"), gr.File(label="Mask"), gr.JSON(label="Summary")]
    publish(segment, inputs, outputs, **PREDICTS)


def _add_objects(folders: ResultFolders) -> None:
    def objects(
        image: str,
        model: str,
        threshold: float | None = None,
        classes: str = "",
        method: str = "auto",
        min_size: int | None = None,
        exclude_border: bool = False,
        pixel_size: str = "",
        page: int = 0,
        channel: int | None = None,
        seed: float | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
        request: gr.Request | None = None,
    ) -> tuple[str, str, str, dict[str, Any]]:
        """Segments an image, then counts and measures its single objects, such as cells or nuclei.

        Args:
            image: The image file: PNG, JPEG, TIFF (8 or 16 bits, float), NPY ...
            model: A shipped checkpoint such as "unet-nuclei", or a Hub id "org/name".
            threshold: For two classes: a pixel is class 1 where its probability exceeds this.
                Empty: the checkpoint's own.
            classes: Names or ids of the classes whose objects are meant, with commas between; a
                name that holds a comma stands in double quotes. Empty: all but class 0, which is
                the ground between objects.
            method: "components": connected pixels are one object. "watershed": objects that
                touch are also split where they narrow. "learned": they are split as the network
                was taught, if it was. "auto": what the checkpoint says.
            min_size: Objects of fewer pixels are left out; empty: what the checkpoint says. The
                rest may be 20,000 at most.
            exclude_border: Leaves out objects that touch the border of the image.
            pixel_size: Such as "0.25 um", for areas and lengths in that unit. Empty: what a TIFF
                says of itself.
            page: Page of a multi-page file, from 0.
            channel: Which channel alone is looked at, from 0, as a gray image. Empty: all.
            seed: For "learned": how sure an object's deepest pixel must be, 0 to 1. Empty: what
                the checkpoint says.

        Returns:
            A table with a row for each object (CSV: area, centroid, bounding box, perimeter,
            eccentricity, intensity, probability ...), the objects' ids as an image (16-bit TIFF,
            32-bit for more than 65,535), their outlines in pixels (GeoJSON, opens in QuPath), and
            a summary with count and areas for each class.
        """
        with in_one_sentence():
            with asked_by(request, profile, token) as (visitor, run):
                place = Place(page, channel)
                result = segment_file(image, model, threshold, place, visitor=visitor, run=run)
            found = result.objects(
                classes=_named_classes(classes),
                method=method,
                seed=seed,
                min_size=min_size,
                exclude_border=exclude_border,
                pixel_size=pixel_size or None,
                max_objects=limits.MAX_OBJECTS,
            )
            wanted = ("objects", "instances", "outlines")
            paths = write_result(result, folders.new(), Look(), wanted, found)
        return *(paths[name] for name in wanted), found.summary()

    inputs = [
        *segmenting_inputs("Image"),
        gr.Textbox("", label="Classes"),
        gr.Radio(["auto", *OBJECT_METHODS], value="auto", label="Method"),
        gr.Number(None, label="Smallest size in pixels", precision=0),
        gr.Checkbox(False, label="Leave out what touches the border"),
        gr.Textbox("", label="Pixel size"),
        gr.Number(0, label="Page", precision=0),
        gr.Number(None, label="Channel", precision=0),
        gr.Number(None, label="Seed height"),
    ]
    outputs = [
        gr.File(label="Table"),
        gr.File(label="Instances"),
        gr.File(label="Outlines"),
        gr.JSON(label="Summary"),
    ]
    publish(objects, inputs, outputs, **PREDICTS)


def _named_classes(text: str) -> list[str] | None:
    try:
        return split_names(text) if text else None
    except ValueError as error:
        raise ConfigError(f"{error}.") from error


def _add_models() -> None:
    def models(
        model: str = "",
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> list[dict[str, Any]]:
        """Lists the checkpoints that /segment and /objects can be asked for.

        Args:
            model: A shipped checkpoint or a Hub id "org/name", to hear of that one alone. Empty:
                all that are on offer here; of those on the Hub the names only.

        Returns:
            For each its name, classes by id, channels, licence, and, as far as they are recorded
            beside its weights, training data, scores and speed.
        """
        with in_one_sentence():
            if model:
                visitor = sign_in.visitor(profile, token)
                return [{"name": checked_name(model)} | facts_of_model(load_model(model, visitor))]
            names = Offer.of(os.environ).names()
            return [_known_facts(name) for name in names]

    publish(models, [gr.Textbox("", label="Model")], [gr.JSON(label="Checkpoints")])


def _known_facts(name: str) -> dict[str, Any]:
    """Without a download."""
    facts = _shipped_facts(name) if name in shipped_checkpoints() else {}
    return {"name": name} | facts


@cache
def _shipped_facts(name: str) -> dict[str, Any]:
    return facts_of_model(load_model(name))
