"""`fit_head`: a new last layer begins with what it can tell from the features as they are."""

from collections.abc import Sequence

import torch

from unet_hf import UNet

from .features import all_levels
from .pictures import Part
from .quick import fit, painted_pixels, standardised


@torch.no_grad()
def fit_head(student: UNet, parts: Sequence[Part]) -> None:
    """Sets the last layer by logistic regression on what is painted; the rest stays.

    Drawn at random, it would first drag all other layers along. The network's padding is "same".
    """
    found, truth = [], []
    for part in parts:
        last = all_levels(student, part.image[None].to(student.device))[1][0]  # (C, h, w)
        rows, columns, classes = painted_pixels(part.label.numpy())
        found.append(last[:, torch.from_numpy(rows), torch.from_numpy(columns)].T.float().cpu())
        truth.append(torch.from_numpy(classes))
    features, deviation, mean = standardised(torch.cat(found))
    own = torch.zeros(len(features), student.config["num_classes"])
    with torch.enable_grad():
        weight, bias = fit(features, torch.cat(truth), own)
    weight = weight / deviation
    student.head.weight.copy_(weight[:, :, None, None])
    student.head.bias.copy_(bias - weight @ mean)
