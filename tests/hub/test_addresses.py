"""Names on the Hub are understood as people paste them, or answered with the right spelling."""

import pytest

from demo.server.checkpoints.models import Offer, checked_name
from train.config import TrainingConfig
from unet_hf import UNet
from unet_hf.addresses import HubName, read_dataset_name, read_hub_name, read_repository
from unet_hf.batch.dataset.options import DatasetOptions
from unet_hf.data.sources import open_source
from unet_hf.errors import CheckpointNotFoundError, ConfigError, DatasetError

NAME = "org/name"


@pytest.mark.parametrize(
    ("pasted", "revision", "folder"),
    [
        ("org/name", None, None),
        ("org/name/", None, None),
        ("org/name@v1", "v1", None),
        ("org/name@refs/pr/3", "refs/pr/3", None),
        ("models/org/name", None, None),
        ("  'org/name'\n", None, None),
        ('"https://huggingface.co/org/name"', None, None),
        ("<https://hf.co/org/name>", None, None),
        ("hf.co/org/name", None, None),
        ("www.huggingface.co/org/name/", None, None),
        ("HTTPS://HuggingFace.CO/org/name?library=unet_hf#usage", None, None),
        ("https://huggingface.co/org/name/tree/main", "main", None),
        ("https://huggingface.co/org/name/tree/refs%2Fpr%2F3/folds/1", "refs/pr/3", "folds/1"),
        ("https://huggingface.co/org/name/blob/v1/folds/1/config.json", "v1", "folds/1"),
        ("https://huggingface.co/org/name/resolve/v1/model.safetensors", "v1", None),
        ("https://huggingface.co/org/name/commit/0123abc", "0123abc", None),
        ("https://me:hf_secret@huggingface.co/org/name.git", None, None),
        ("git@hf.co:org/name", None, None),
        ("org/name/tree/v1", "v1", None),
        ("hf://org/name", None, None),
        ("HF://models/org/name@v1/folds/1", "v1", "folds/1"),
        ("hf://org/name@refs%2Fpr%2F3", "refs/pr/3", None),
    ],
)
def test_a_model_is_understood_in_every_spelling(pasted, revision, folder):
    assert read_hub_name(pasted) == HubName(NAME, revision, folder)


@pytest.mark.parametrize(
    ("pasted", "revision"),
    [
        ("https://huggingface.co/datasets/org/name", None),
        ("datasets/org/name/", None),
        ("hf://datasets/org/name@v2", "v2"),
        ("https://huggingface.co/datasets/org/name/tree/refs%2Fconvert%2Fparquet",
         "refs/convert/parquet"),
    ],
)  # fmt: skip
def test_a_data_set_is_understood_with_its_revision_wherever_it_is_named(pasted, revision):
    assert read_dataset_name(pasted, None) == (NAME, revision)
    training = TrainingConfig(dataset_name=pasted, output_dir="out")
    assert (training.dataset_name, training.dataset_revision) == (NAME, revision)
    options = DatasetOptions(pasted, "unet-isbi")
    assert (options.dataset_name, options.dataset_revision) == (NAME, revision)
    assert read_dataset_name("https://huggingface.co/datasets/squad", None) == ("squad", None)


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("https://huggingface.co/datasets/org/name", "the address of a data set, 'org/name'"),
        ("https://huggingface.co/spaces/org/name", "the address of a Space, 'org/name'"),
        ("https://huggingface.co/org", "names no repository. A model is written 'org/name'"),
        ("https://huggingface.co/org/name/discussions/3", "a page of org/name. Write 'org/name'"),
        ("https://example.org/org/name?token=hf_secret", "an address of example.org, not of the"),
        ("https://me:hf_secret@example.org/org/name", "an address of example.org, not of the"),
        ("https://huggingface.co@example.org/org/name", "an address of example.org, not of the"),
        ("ssh://git@example.org/org/name", "an address of example.org, not of the"),
    ],
)
def test_an_address_of_something_else_is_answered_with_the_right_spelling(pasted, words):
    for load in (read_hub_name, UNet.from_pretrained, checked_name):
        with pytest.raises(ConfigError, match="(?i)" + words.replace(".", r"\.")) as refused:
            load(pasted)
        assert "hf_secret" not in str(refused.value)
    with pytest.raises(ConfigError):
        TrainingConfig(dataset_name="d", output_dir="o", pretrained_model_name_or_path=pasted)


def test_only_the_name_is_taken_of_an_address_of_the_configured_host(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example:8443")
    assert read_hub_name("https://mirror.example:8443/org/name") == HubName(NAME)
    with pytest.raises(ConfigError, match=r"an address of mirror\.example, not of"):
        read_hub_name("https://mirror.example/org/name")


def test_what_is_pushed_to_is_a_whole_repository():
    assert read_repository("https://huggingface.co/org/name") == NAME
    assert read_repository("name") == "name"
    given = {"dataset_name": "d", "output_dir": "o", "push_to_hub": True}
    training = TrainingConfig(
        **given, hub_model_id="hf.co/org/name/", demo_space="https://hf.co/spaces/org/name"
    )
    assert (training.hub_model_id, training.demo_space) == (NAME, NAME)
    options = DatasetOptions("d", "m", push_to_hub="https://huggingface.co/datasets/org/name")
    assert options.push_to_hub == NAME
    for wrong in ("org/name@v1", "https://huggingface.co/org/name/tree/main"):
        with pytest.raises(ConfigError, match="whole repository is written to"):
            TrainingConfig(**given, hub_model_id=wrong)
        with pytest.raises(ConfigError, match="a whole repository is written to"):
            UNet(base_channels=1, depth=1).push_to_hub(wrong)


def test_a_revision_that_contradicts_another_is_an_error():
    with pytest.raises(ConfigError, match=r"names the revision 'v1', and 'v2' is given beside it"):
        read_dataset_name("org/name@v1", "v2")
    with pytest.raises(ConfigError, match="names the revision 'main', and 'v2' is given"):
        UNet.from_pretrained("https://huggingface.co/org/name/tree/main", revision="v2")
    with pytest.raises(ConfigError, match="names the folder 'x', and subfolder='y' is given"):
        UNet.from_pretrained("hf://org/name/x", subfolder="y")


def test_a_training_keeps_the_name_it_starts_from_in_one_spelling():
    given = {"dataset_name": "d", "output_dir": "o"}
    for pasted, kept in (
        ("https://huggingface.co/org/name/", NAME),
        ("https://huggingface.co/org/name/tree/v1", "org/name@v1"),
        ("unet-isbi", "unet-isbi"),
    ):
        config = TrainingConfig(**given, pretrained_model_name_or_path=pasted)
        assert config.pretrained_model_name_or_path == kept


@pytest.mark.parametrize("path", ["C:\\nets\\mine", "..\\nets", "./nets/mine", "../nets", "a/b/c"])
def test_paths_keep_their_own_sentence(path):
    with pytest.raises(CheckpointNotFoundError, match="is neither a folder here nor a Hub name"):
        UNet.from_pretrained(path)


def test_a_path_into_a_folder_that_is_here_is_said_to_be_missing(tmp_path, monkeypatch):
    (tmp_path / "nets").mkdir()
    monkeypatch.chdir(tmp_path)
    words = "There is a folder nets here, but no mine in it: check the path"
    with pytest.raises(CheckpointNotFoundError, match=words):
        UNet.from_pretrained("nets/mine/")
    with pytest.raises(ConfigError, match=words):
        TrainingConfig(dataset_name="nets/mine/", output_dir="o")
    with pytest.raises(DatasetError, match=words):
        open_source("nets/mine")  # may be a name on the Hub, too, which is asked first


def test_quotes_around_a_folder_and_a_shipped_name_are_no_part_of_it(tmp_path, monkeypatch):
    UNet(base_channels=1, depth=1).save_pretrained(tmp_path / "my net")
    monkeypatch.chdir(tmp_path)
    assert UNet.from_pretrained("'my net/'").config["depth"] == 1
    assert UNet.from_pretrained(' "unet-isbi" ').origin.source == "unet-isbi"
    assert read_dataset_name("'my net'", None) == ("my net", None)


def test_the_page_takes_addresses_and_offers_what_the_repository_is(monkeypatch):
    assert checked_name("https://huggingface.co/org/name/tree/v1") == "org/name@v1"
    assert checked_name(" hf.co/org/name ") == NAME
    with pytest.raises(ConfigError, match="names the folder 'x' of org/name"):
        checked_name("hf://org/name/x")
    offer = Offer(models=(NAME,), public=True)
    offer.check("org/name@v1")
    assert offer.token("org/name@v1") is None
    assert offer.token("org/other@v1") is False
