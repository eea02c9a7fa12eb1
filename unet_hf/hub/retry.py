"""Retries requests to the Hub, by the same rule for downloads and uploads.

A request that may succeed a moment later is repeated after a short wait, or after the wait that
the Hub asks for. If that wait is too long, the person decides.
"""

import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

TRANSIENT = (408, 429, 500, 502, 503, 504)  # statuses after which a retry may succeed

Answer = TypeVar("Answer")


def retry_transient(
    call: Callable[[], Answer],
    waits: tuple[float, ...],
    *,
    longest_wait: float,
    is_transient: Callable[[Exception], bool],
    patience: float | None = None,
    before_wait: Callable[[Exception], None] | None = None,
) -> Answer:
    """Makes a call, repeated after transient errors; raises the error of its last try.

    Args:
        waits: Seconds before the second, third ... try, or longer if the Hub asks for it.
        longest_wait: Seconds; if the Hub asks for a longer wait, there is no further try.
        is_transient: Whether the call may succeed a moment after this error.
        patience: Seconds, without the waits, after which no further try begins. None: no limit.
        before_wait: Called with each error except the last.
    """
    latest = None if patience is None else time.monotonic() + sum(waits) + patience
    for wait in waits:
        try:
            return call()
        except Exception as error:
            asked = asked_wait(error)
            late = latest is not None and time.monotonic() > latest
            if late or asked > longest_wait or not is_transient(error):
                raise
            if before_wait is not None:
                before_wait(error)
        time.sleep(max(wait, asked))
    return call()


def has_transient_status(error: Exception) -> bool:
    """Whether the Hub answered with a status after which a retry may succeed."""
    return isinstance(error, HfHubHTTPError) and error.response.status_code in TRANSIENT


def is_broken_connection(error: Exception) -> bool:
    """Whether a request was sent and no answer came."""
    if isinstance(error, (HfHubHTTPError, OfflineModeIsEnabled)):
        return False
    return isinstance(error, (HTTPError, ConnectionError, TimeoutError))


def is_answer_lost(error: Exception) -> bool:
    """Whether the Hub may have done what was asked, although no answer says so."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 500, 502, 504)
    return is_broken_connection(error)


def asked_wait(error: Exception) -> int:
    """Seconds after which the Hub asks to retry, 0 if it does not say.

    `RateLimit` tells exactly when the quota begins again; `Retry-After` is a number of seconds or
    a date.
    """
    response = getattr(error, "response", None)
    if response is None:
        return 0
    limit = re.search(r"r\s*=\s*0\s*;\s*t\s*=\s*(\d+)", response.headers.get("RateLimit", ""))
    if limit:
        return int(limit[1])
    after = response.headers.get("Retry-After", "").strip()
    if found := re.match(r"\d+", after):
        return int(found[0])
    try:
        date = parsedate_to_datetime(after)
    except ValueError:
        return 0
    date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    return max(0, round((date - datetime.now(timezone.utc)).total_seconds()))
