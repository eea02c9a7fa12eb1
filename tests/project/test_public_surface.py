"""The names that other people's code uses: they stay, wherever the code behind them moves."""

import inspect
import re

import pytest

import unet_hf
from unet_hf import errors
from unet_hf.cli import main as command_line
from unet_hf.export import export
from unet_hf.large import segment_large, tile_size_for

SEGMENT = ["image", "page", "axes", "channel", "threshold", "tile_size", "precision", "tta",
           "progress"]  # fmt: skip
SIGNATURES = {
    unet_hf.UNet: ["in_channels", "num_classes", "base_channels", "depth", "padding", "norm",
                   "upsampling", "dropout", "id2label", "colors", "preprocessing", "threshold",
                   "tile_size"],
    unet_hf.UNet.segment: SEGMENT,
    unet_hf.UNet.calibrate: ["images"],
    unet_hf.UNet.save_pretrained: ["save_directory", "repo_id", "push_to_hub", "license",
                                   "sample_image", "push_options"],
    unet_hf.UNet.push_to_hub: ["repo_id", "token", "private", "branch", "create_pr", "tag",
                               "commit_message", "license", "sample_image"],
    unet_hf.Segmentation.objects: ["classes", "method", "seed", "min_size", "exclude_border",
                                   "pixel_size", "max_objects"],
    unet_hf.Segmentation.overlay: ["alpha", "hidden", "outline", "window"],
    unet_hf.Segmentation.save: ["folder", "alpha", "hidden", "outline", "window", "only",
                                "prefix", "objects"],
    unet_hf.teach: ["model", "painted", "seconds", "classes", "colors", "seed", "progress"],
    unet_hf.read_image: ["source", "page", "axes", "channel"],
    segment_large: ["model", "source", "folder", "outputs", "prefix", "page", "axes", "channel",
                    "level", "threshold", "tile_size", "precision", "tta", "objects", "progress",
                    "resume"],
}  # fmt: skip


def test_the_package_offers_these_names():
    assert sorted(unet_hf.__all__) == [
        "ImageData", "Objects", "PixelSize", "Segmentation", "UNet", "UNetError", "__version__",
        "read_image", "sample_input", "shipped_checkpoints", "teach",
    ]  # fmt: skip
    assert all(hasattr(unet_hf, name) for name in unet_hf.__all__)
    assert unet_hf.shipped_checkpoints() == [
        "unet-isbi",
        "unet-nuclei",
        "unet-phase",
        "unet-superalloy",
    ]
    assert callable(export) and callable(tile_size_for)


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda one: one.__qualname__)
def test_options_keep_their_names(function):
    called = function.__init__ if isinstance(function, type) else function
    names = [name for name in inspect.signature(called).parameters if name != "self"]
    assert names[: len(SIGNATURES[function])] == SIGNATURES[function]


def test_a_result_has_these_attributes():
    fields = {
        "mask", "probabilities", "id2label", "colors", "threshold", "image", "notes", "tiles",
        "seconds", "device", "precision", "uncertainty", "unlike_training", "pixels",
        "areas", "summary", "objects", "overlay", "save", "mask_image", "with_threshold",
    }  # fmt: skip
    have = set(dir(unet_hf.Segmentation)) | set(unet_hf.Segmentation.__dataclass_fields__)
    assert fields <= have


def test_errors_keep_their_names_and_their_parents():
    tree = {
        name: [parent.__name__ for parent in value.__bases__]
        for name, value in vars(errors).items()
        if inspect.isclass(value)
    }
    assert {
        "UNetError", "ConfigError", "ShapeError", "ImageError", "ImageNotFoundError",
        "UnreadableImageError", "ImageTooLargeError", "UnsupportedLayoutError",
        "ChannelMismatchError", "NonFiniteImageError", "TooManyObjectsError", "CheckpointError",
        "CheckpointNotFoundError", "CheckpointUnreachableError", "CheckpointAccessError",
        "WeightsError", "PrecisionError", "CalibrationError", "DatasetError", "PushError",
        "ExportError", "HubBusyError", "DownloadError", "UnsafeRepositoryError",
    } <= set(tree)  # fmt: skip
    assert all(issubclass(getattr(errors, name), errors.UNetError) for name in tree)


OPTIONS = {
    "segment": "model revision threshold tile_size output overwrite page axes channel level only "
               "jobs device precision tta large alpha hidden outline window classes method "
               "min_size exclude_border pixel_size dataset_name dataset_config_name "
               "dataset_revision split image_column push_to_hub private hub_token",
    "track": "model revision output only frame_interval device axes channel threshold tile_size "
             "precision method seed min_size pixel_size divisions gaps max_distance "
             "position_spread area_spread turnover",
    "evaluate": "model revision split output precision tta update_card create_pr tracks divisions "
                "dataset_name "
                "mask_encoding id2label ignore_index reduce_labels streaming hub_token",
    "verify": "revision",
    "calibrate": "model revision calibration_images create_pr dataset_name train_split "
                 "validation_split",
    "scope": "model revision foreign create_pr dataset_name train_split validation_split",
    "export": "author format output push",
    "info": "revision speed json",
}  # fmt: skip


@pytest.mark.parametrize("command", OPTIONS)
def test_commands_keep_their_options(command, capsys):
    assert list(command_line.COMMANDS) == list(OPTIONS)
    with pytest.raises(SystemExit) as ended:
        command_line.main([command, "--help"])
    assert ended.value.code == 0
    flags = set(re.findall(r"--([a-z_0-9]+)", capsys.readouterr().out))
    assert set(OPTIONS[command].split()) <= flags


def test_the_training_keeps_its_options(capsys):
    from train.cli.arguments import parse_arguments

    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    flags = set(re.findall(r"--([a-z_0-9]+)", capsys.readouterr().out))
    assert set(TRAINING.split()) <= flags


TRAINING = """
config dataset_name dataset_config_name dataset_revision train_split validation_split
train_val_split balance_column image_column label_column instance_column objects
mask_encoding label_colors ignore_index reduce_labels id2label colors streaming
shuffle_buffer_size max_inspected
max_validation_images pretrained_model_name_or_path new_head freeze_encoder preset padding
norm base_channels max_channels depth dropout elastic_std rotation scale_range flip gray_std
noise_std channel_mixing inversion class_sampling loss label_smoothing focal_gamma
border_weight border_sigma class_balance resolution
train_batch_size gradient_accumulation_steps num_train_epochs max_train_steps time_budget optimizer
learning_rate momentum weight_decay lr_scheduler lr_warmup_steps max_grad_norm use_ema
ema_decay norms_settle_after mixed_precision seed dataloader_num_workers validation_steps
early_stopping_patience checkpointing_steps checkpoints_total_limit resume_from_checkpoint
report_to goals goals_note dataset_note license license_name license_note citation sample_image
measure_speed output_dir push_to_hub hub_model_id hub_private_repo hub_branch
hub_create_pr hub_tag demo_space hub_token
"""
