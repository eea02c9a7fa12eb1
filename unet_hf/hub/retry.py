"""Asking the Hub again: one rule for what is on the way down and on the way up.

What may be otherwise a moment later is tried again after a short wait, or after the one that the
Hub asks for; what it asks to wait for too long is left to the person to decide.
"""

import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

TRANSIENT = (408, 429, 500, 502, 503, 504)  # statuses that may be others a moment later

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
    """The answer of a call that may be repeated; what its last try raises.

    Args:
        waits: Seconds before the second, third ... try; where the Hub asks for more, those.
        longest_wait: If the Hub asks for more seconds than these, there is no further try.
        is_transient: May the call succeed a moment after this error?
        patience: Seconds, beside the waits, after which no further try begins; None: no limit.
        before_wait: Told of each error that is not the last.
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
    """Did the Hub answer, and with a status that may be another a moment later?"""
    return isinstance(error, HfHubHTTPError) and error.response.status_code in TRANSIENT


def is_broken_connection(error: Exception) -> bool:
    """Was there no answer, though one was asked for?"""
    if isinstance(error, (HfHubHTTPError, OfflineModeIsEnabled)):
        return False
    return isinstance(error, (HTTPError, ConnectionError, TimeoutError))


def is_answer_lost(error: Exception) -> bool:
    """May the Hub have done what it was asked for, though it did not say so?"""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 500, 502, 504)
    return is_broken_connection(error)


def asked_wait(error: Exception) -> int:
    """Seconds after which the Hub wants to be asked again, 0 if it does not say.

    `RateLimit` tells when the quota begins again, which is exact; `Retry-After` is a number of
    seconds or a date.
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
