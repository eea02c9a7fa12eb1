"""MONAI (github.com/Project-MONAI/MONAI, Apache-2.0): the UNet of its 2D tutorial.

Recipe: random crops of 256 px in batches of 8, flips and quarter turns, Dice and cross-entropy,
Adam with 1e-3; a sliding window of 256 px in prediction.

    pip install monai
"""

import numpy as np
import torch
from torch import Tensor

from .crops import Crops
from .task import IGNORE, Example, Task
from .torchvision_operators import declare_torchvision_operators
from .training import train_network

SIDE, BATCH, RATE = 256, 8, 1e-3


def main() -> None:
    task = Task.from_command_line()
    declare_torchvision_operators()
    from monai.inferers import sliding_window_inference
    from monai.losses import DiceCELoss
    from monai.networks.nets import UNet

    network = UNet(
        spatial_dims=2,
        in_channels=task.facts["channels"],
        out_channels=task.num_classes,
        channels=(16, 32, 64, 128, 256),
        strides=(2, 2, 2, 2),
        num_res_units=2,
    )
    dice_and_entropy = DiceCELoss(softmax=True, to_onehot_y=True)

    def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
        # This loss knows no pixels to be ignored: they count as class 0.
        return dice_and_entropy(logits, labels.masked_fill(labels == IGNORE, 0)[:, None])

    optimizer = torch.optim.Adam(network.parameters(), RATE)
    crops = Crops(list(task.split("train")), SIDE, BATCH, task.seed)
    notes = {"patch": [SIDE, SIDE], "batch": BATCH}
    train_network(task, network, optimizer, crops.draw, loss_of, lambda spent: RATE, **notes)

    @torch.inference_mode()
    def probabilities(example: Example) -> np.ndarray:
        image = torch.from_numpy(example.normalized())[None]
        found = sliding_window_inference(image, (SIDE, SIDE), 4, network, overlap=0.25)
        return found.softmax(1)[0].numpy()

    task.predict(probabilities)


if __name__ == "__main__":
    main()
