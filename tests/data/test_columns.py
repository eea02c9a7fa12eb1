"""Which column is what: by name and kind, with the layouts of real data sets as cases."""

import pytest
from datasets import ClassLabel, Features, Image, LargeList, List, Value

from unet_hf.data.columns import find_columns
from unet_hf.errors import DatasetError

PICTURE = Image(decode=False)
TEXT, NUMBER, BINARY = Value("string"), Value("int64"), Value("binary")
KINDS = ClassLabel(names=["cat", "dog"])
POLYGONS = List({"bbox": List(Value("float32")), "segmentation": List(Value("float32"))})
PNG = b"\x89PNG\r\n\x1a\n..."


def roles(features: dict, **kwargs) -> tuple[str, str, str | None]:
    columns = find_columns(Features(features), **kwargs)
    return columns.image, columns.label, columns.instances


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        pytest.param(
            {"image": PICTURE, "annotation": PICTURE, "scene_category": KINDS},
            ("image", "annotation", None),
            id="scene_parse_150",
        ),
        pytest.param(
            {"pixel_values": PICTURE, "label": PICTURE},
            ("pixel_values", "label", None),
            id="sidewalk-semantic",
        ),
        pytest.param(
            {"image": PICTURE, "label": PICTURE, "classes_on_image": List(NUMBER), "id": NUMBER},
            ("image", "label", None),
            id="FoodSeg103",
        ),
        pytest.param(
            {"image": PICTURE, "semantic_segmentation": PICTURE},
            ("image", "semantic_segmentation", None),
            id="cityscapes",
        ),
        pytest.param(
            {
                "image": PICTURE,
                "inst_map": PICTURE,
                "type_map": PICTURE,
                "tissue": KINDS,
            },
            ("image", "type_map", "inst_map"),
            id="Angelou0516/PanNuke",
        ),
        pytest.param(
            {"image": PICTURE, "mask": PICTURE, "type_map": PICTURE},
            ("image", "type_map", None),
            id="type_map beside a mask of unknown kind",
        ),
        pytest.param(
            {"name": TEXT, "image": PICTURE, "annotation": PICTURE},
            ("image", "annotation", None),
            id="Kvasir-SEG",
        ),
        pytest.param(
            {"mask": PICTURE, "image": PICTURE},
            ("image", "mask", None),
            id="naip: never by position",
        ),
        pytest.param(
            {"image": PICTURE, "mask": PICTURE, "overlay": PICTURE, "z": NUMBER, "subset": TEXT},
            ("image", "mask", None),
            id="MitoEM: overlay is a decoy",
        ),
        pytest.param(
            {"image": PICTURE, "map": PICTURE}, ("image", "map", None), id="fixtures_ade20k"
        ),
        pytest.param(
            {"image": PICTURE, "cell_mask": PICTURE, "depth_mask": PICTURE, "label": KINDS},
            ("image", "cell_mask", None),
            id="_mask as a suffix, depth a decoy, label a class",
        ),
        pytest.param(
            {"Image": PICTURE, "Mask": PICTURE}, ("Image", "Mask", None), id="capital letters"
        ),
        pytest.param(
            {"image": PICTURE, "preview": PICTURE, "masks": PICTURE},
            ("image", "masks", None),
            id="preview is a decoy",
        ),
    ],
)
def test_columns_are_found_by_name(features, expected):
    assert roles(features) == expected


def test_pictures_in_binary_columns_count_and_are_said():
    """csmp-hub/pannuke"""
    features = Features({"id": NUMBER, "image": BINARY, "inst": BINARY, "type": BINARY})
    row = {"id": 1, "image": PNG, "inst": PNG, "type": PNG}
    columns = find_columns(features, first_row=row)
    assert (columns.image, columns.label, columns.instances) == ("image", "type", "inst")
    assert (columns.image_kind, columns.label_kind) == ("binary", "binary")
    assert "bytes in 'image' and 'type' read as image files" in columns.describe()


def test_bytes_that_are_no_image_file_are_no_picture():
    features = {"image": PICTURE, "mask": BINARY}
    assert roles(features, first_row={"mask": PNG}) == ("image", "mask", None)
    with pytest.raises(DatasetError, match=r"'mask' is Value\('binary'\), not pictures"):
        roles(features, first_row={"mask": b"pickled"})


def test_a_list_of_instance_masks_is_the_label_and_the_instances():
    """RationAI/PanNuke"""
    features = Features(
        {
            "image": PICTURE,
            "instances": List(PICTURE),
            "categories": List(ClassLabel(names=["a", "b"])),
            "tissue": KINDS,
        }
    )
    columns = find_columns(features)
    assert (columns.label, columns.label_kind) == ("instances", "list")
    assert (columns.instances, columns.categories) == ("instances", "categories")
    assert "a list of masks a row, of the classes in 'categories'" in columns.describe()
    without = find_columns(features, instance_column="none")
    assert (without.label, without.instances) == ("instances", None)


def test_categories_need_one_number_a_mask():
    features = Features({"image": PICTURE, "masks": List(PICTURE), "categories": List(NUMBER)})
    cell = {"bytes": PNG, "path": None}
    row = {"masks": [cell, cell], "categories": [0]}
    assert find_columns(features, first_row=row).categories is None
    row["categories"] = [0, 1]
    assert find_columns(features, first_row=row).categories == "categories"
    features["categories"] = List(TEXT)
    assert find_columns(features).categories is None


def test_segmentations_win_over_instances_of_the_same_kind():
    """1aurent/ADE20K"""
    features = {"image": PICTURE, "segmentations": List(PICTURE), "instances": List(PICTURE)}
    assert roles({**features, "objects": POLYGONS}) == ("image", "segmentations", "instances")
    assert roles({"image": PICTURE, "masks": LargeList(PICTURE)}) == ("image", "masks", None)


def test_one_picture_is_preferred_to_a_list_of_them():
    features = {"image": PICTURE, "masks": List(PICTURE), "annotation": PICTURE}
    assert roles(features) == ("image", "annotation", None)


@pytest.mark.parametrize("feature", [KINDS, NUMBER])
def test_a_class_a_picture_is_classification(feature):
    with pytest.raises(DatasetError, match=r"'label' is .* classification, not segmentation"):
        roles({"image": PICTURE, "label": feature})


def test_paths_and_urls_are_refused():
    """inpaint-context/bnb-fix"""
    with pytest.raises(DatasetError, match=r"'image' is text \(paths or URLs\?\), not pictures"):
        roles({"image": TEXT, "mask": PICTURE})


@pytest.mark.parametrize(
    "features",
    [
        {"image": PICTURE, "annotations": POLYGONS},
        {"image": PICTURE, "shapes": POLYGONS, "id": NUMBER},
        {"images": {"file_name": TEXT}, "annotations": POLYGONS, "categories": {"id": NUMBER}},
    ],
    ids=["annotations", "polygons by their keys", "armbench"],
)
def test_polygons_are_refused_with_what_to_do(features):
    with pytest.raises(DatasetError, match=r"COCO.*annToMask"):
        roles(features)


def test_images_alone_are_refused():
    """nuclei-segmentation-dsb2018"""
    with pytest.raises(DatasetError, match=r"no mask.*mask_file_name.*polygons"):
        roles({"image": PICTURE})


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"image": PICTURE, "other": PICTURE}, "beside the image 'image' there is other"),
        ({"image": PICTURE, "overlay": PICTURE}, "there is overlay, whose name does not say it"),
        ({"image": PICTURE, "inst_map": PICTURE}, "--mask_encoding binary"),
        ({"image": PICTURE, "mask": PICTURE, "label": PICTURE}, "the mask: mask, label"),
        ({"image": PICTURE, "img": PICTURE, "mask": PICTURE}, "the image: image, img"),
        ({"scan": PICTURE, "mask": PICTURE}, "hold pictures are scan, mask"),
        ({"images": List(PICTURE), "mask": PICTURE}, "'images' holds a list of pictures"),
        (
            {"image": PICTURE, "mask": PICTURE, "inst": PICTURE, "inst_map": PICTURE},
            "number the objects: inst, inst_map",
        ),
    ],
)
def test_what_is_not_clear_is_an_error_that_lists_the_candidates(features, message):
    with pytest.raises(DatasetError, match=message) as caught:
        roles(features)
    assert "_column" in str(caught.value)


def test_flags_settle_it():
    features = {"a": PICTURE, "b": PICTURE, "inst": PICTURE, "instance_map": PICTURE}
    flags = {"image_column": "b", "label_column": "a", "instance_column": "inst"}
    assert roles(features, **flags) == ("b", "a", "inst")
    assert roles(features, **{**flags, "instance_column": "none"}) == ("b", "a", None)
    # What is asked for as mask is no candidate for the image.
    assert roles({"image": PICTURE, "img": PICTURE}, label_column="img")[0] == "image"
    # A decoy is taken when it is asked for; a map of ids is not its own instances.
    features = {"image": PICTURE, "inst_map": PICTURE}
    assert roles(features, label_column="inst_map") == ("image", "inst_map", None)


@pytest.mark.parametrize("flag", ["image_column", "label_column", "instance_column"])
def test_a_misspelt_flag_gets_a_suggestion(flag):
    with pytest.raises(DatasetError, match=rf"no column 'maks' \(--{flag}\). Did you mean 'mask'"):
        roles({"image": PICTURE, "mask": PICTURE}, **{flag: "maks"})


def test_a_flag_that_names_no_picture_is_refused():
    features = {"image": PICTURE, "mask": PICTURE, "name": TEXT, "views": List(PICTURE)}
    with pytest.raises(DatasetError, match=r"'name' \(--label_column\) is text"):
        roles(features, label_column="name")
    with pytest.raises(DatasetError, match=r"'views' \(--image_column\) holds a list"):
        roles(features, image_column="views")
    with pytest.raises(DatasetError, match="as image and as mask"):
        roles(features, image_column="mask", label_column="mask")
