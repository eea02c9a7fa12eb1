"""What the demo knows of Gradio beyond its documentation: when a new Gradio breaks it, look here.

`tests/demo/page/test_gradio_internals.py` has a test for each. What scripts know of Gradio's markup
is in `uploads/`; where an app's addresses begin, `component.py` reads in `window.gradio_config`
(tested in `tests/project/test_front_end.py`).
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.route_utils import API_PREFIX
from gradio.utils import get_upload_folder

POLL_SECONDS = 0.01


def upload_folder() -> Path:
    """Where Gradio keeps uploads. It serves the files there without making a copy."""
    return Path(get_upload_folder())


def served_file(path: Path) -> dict[str, Any]:
    """In the value of a `gr.HTML`: a file that its script finds there with a `url`."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def served_address(path: Path) -> str:
    """Where Gradio serves a file that `gr.set_static_paths` names, from the root of the app."""
    return f"{API_PREFIX.lstrip('/')}/file={quote(path.resolve().as_posix(), safe='/:')}"


def poll_queue_less(page: gr.Blocks) -> None:
    """Gradio's queue looks for work every millisecond, which takes 6 % of a core while nobody is
    there; nobody notices a hundredth of a second."""
    queue = page._queue
    queue.sleep_when_free = max(queue.sleep_when_free, POLL_SECONDS)


def hide_sign_in_from_api(page: gr.Blocks) -> None:
    """Gradio lists the own event of its `LoginButton` as an endpoint, with no way to say no."""
    for event in page.fns.values():
        if event.api_name == "_check_login_status":
            event.api_visibility = "private"
