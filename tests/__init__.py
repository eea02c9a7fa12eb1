"""Claims about what the project does. None of them needs a network, and none may use one.

python -m pytest                           in a process for each core; random cases are a sample,
                                           and long tests are left out: its last lines say which
python -m pytest --deep                    everything, as before a release
python -m pytest tests/train               one room
python -m pytest tests/train/test_x.py     in this process, as one works
python -m pytest tests/train/test_x.py::y  a test by its name, a long one, too

A long test may be left to --deep, by `@pytest.mark.deep("why")`, where a cheaper one guards its
claim, or where it looks for a rare event beside one that stays. Of each part of the project a walk
stays: each tab of the page, a phone, no network, a training that is killed and goes on to the bit,
a push to the Hub, a teaching.
"""

import os

from .support.ports import GRADIO_FIRST

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SERVER_PORT": str(GRADIO_FIRST),
}
# The page computes the same on all machines, but where a test asks for what is fast on some.
os.environ["UNET_HF_PRECISION"] = "auto"
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PyTorch: there is a process a core
os.environ.update(OFFLINE)  # before anything of Hugging Face or Gradio is imported
