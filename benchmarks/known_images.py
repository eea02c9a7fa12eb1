"""Writes which images `unet-nuclei` was trained on: `python -m benchmarks.known_images DATA_SET`.

A training that begins with this checkpoint looks there, so that images it has seen before do not
flatter it. The file also holds the hash of the weights, for it is out of date with other ones.
"""

import argparse
import hashlib
import json

from train.checks.inspection import inspect
from train.cli.check import ALL_IMAGES
from train.config import TrainingConfig
from train.plan.known_images import FILE, LENGTH
from train.plan.rules import START
from unet_hf.data.open import open_data
from unet_hf.hub.find import SHIPPED, WEIGHTS_NAME


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset_name", help="the data set that the checkpoint was trained on")
    data = open_data(TrainingConfig(**vars(parser.parse_args())))
    seen = {facts.digest for facts in inspect(data, ALL_IMAGES).train if not facts.error}
    weights = (SHIPPED / START / WEIGHTS_NAME).read_bytes()
    content = {
        "checkpoint": START,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "images": sorted(digest[:LENGTH].hex() for digest in seen),
    }
    FILE.write_text(json.dumps(content, indent=0) + "\n", "utf-8")
    print(f"{len(seen)} images in {FILE}")


if __name__ == "__main__":
    main()
