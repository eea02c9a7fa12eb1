"""Which model it was, whatever its name."""

import hashlib
import json
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .unet import UNet

AT_ONCE = 2**20  # numbers of a weight that are copied for it


def identify(model: "UNet") -> str:
    """sha256 of configuration and weights: what decides a prediction."""
    digest = hashlib.sha256(json.dumps(model.config, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        rows = torch.atleast_1d(tensor)
        for part in rows.split(max(1, AT_ONCE * len(rows) // rows.numel())):
            digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
