"""What the tabs say of a `Job`: which checkpoint a button starts it with, and where it stands."""

import html

from unet_hf.batch.progress import duration

from ..server.checkpoints.model_facts import title_of
from ..server.checkpoints.taught import YOURS, is_taught
from ..server.work.jobs import Status
from .html_parts import bar


def name_on_button(model: str) -> str:
    return YOURS if is_taught(model) else title_of(model)


def time_left(status: Status) -> str:
    """ ", about 3 min left", for the end of a sentence; "" while nobody knows."""
    left = status.seconds_left
    return "" if left is None else f", about {duration(left)} left"


def where_it_stands(status: Status, words: str, done: int, label: str) -> str:
    """The words, and a bar. done: Of `status.total`. label: What of, for screen readers."""
    told = f'<p class="state" role="status" data-state="{status.state}">{html.escape(words)}</p>'
    return told + bar(done / status.total if status.total else 0, label)
