"""Predictions on a GPU that is lent for each, as Spaces with ZeroGPU do."""

import os
import subprocess
from pathlib import Path

import pytest

from demo.server.work.device import on_gpu

from ..support.processes import forked_python

SPACES = '''
"""Lends as ZeroGPU does: to another process, which is reached by pickling alone."""
import os
import pickle

lent = []

def GPU(task):
    if not os.environ.get("SPACES_ZERO_GPU"):
        return task
    def call(*arguments, **options):
        lent.append(task)
        arguments, options = pickle.loads(pickle.dumps((arguments, options)))
        try:
            return pickle.loads(pickle.dumps(task(*arguments, **options)))
        except Exception as error:
            raise RuntimeError(f"ZeroGPU worker error: {type(error).__name__}") from None
    return call
'''
PREDICTS = """
import sys
import numpy as np
import spaces
from demo.server.predictions import segment_file
from unet_hf import UNet
from unet_hf.errors import ConfigError

path = sys.argv[1]
steps = []
result = segment_file(path, "unet-isbi", progress=lambda *step: steps.append(step))
assert np.array_equal(result.mask, UNet.from_pretrained("unet-isbi").segment(path).mask)
try:
    segment_file(path, "unet-isbi", threshold=7)
except ConfigError as error:
    assert "threshold=7" in str(error)
else:
    raise AssertionError("a threshold of 7 was taken")
# A slow tile may say several times that none is done yet.
print(len(spaces.lent), steps[-1:])
"""


@pytest.mark.parametrize(("zero", "expected"), [("1", "2 []"), ("", "0 [(1, 1)]")])
def test_predictions_run_on_a_lent_gpu_where_there_is_one(tmp_path, picture, zero, expected):
    (tmp_path / "spaces.py").write_text(SPACES)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [*forked_python(), "-c", PREDICTS, str(picture)],
        env={**os.environ, "PYTHONPATH": path, "SPACES_ZERO_GPU": zero},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == expected, done.stderr


def test_without_the_package_spaces_a_function_stays_what_it_is():
    assert on_gpu(len) is len
