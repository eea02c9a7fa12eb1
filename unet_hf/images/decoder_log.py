"""What tifffile logs of a file that is refused is not logged: the error says what is wrong with it.

Otherwise anyone who uploads a damaged file fills the log of a server. Of a file that is read, all
of it is logged, as soon as the file has been read.
"""

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

# Records of the file that is being read; None while none is. Each thread has its own.
_held: ContextVar[list[logging.LogRecord] | None] = ContextVar("held", default=None)
_logger = logging.getLogger("tifffile")


def _pass_on(record: logging.LogRecord) -> bool:
    """Whether the record is logged now; otherwise it is kept."""
    records = _held.get()
    if records is None:
        return True
    records.append(record)
    return False


_logger.addFilter(_pass_on)


@contextlib.contextmanager
def log_if_read() -> Iterator[None]:
    """Keeps what tifffile logs until the block ends, and drops it if the block raises an error."""
    records: list[logging.LogRecord] = []
    token = _held.set(records)
    try:
        yield
    except Exception:
        records.clear()
        raise
    finally:
        _held.reset(token)
        for record in records:
            _logger.handle(record)
