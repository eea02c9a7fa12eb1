"""Claims about what the project does. None of them needs a network, and none may use one."""

import os

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
}
os.environ.update(OFFLINE)  # before anything of Hugging Face is imported
