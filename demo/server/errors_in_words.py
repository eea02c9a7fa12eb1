"""What a visitor reads when something went wrong."""

import logging
import uuid

from unet_hf import UNetError

logger = logging.getLogger(__name__)


def plain_sentence(error: Exception) -> str:
    """What a visitor reads. Unexpected errors are logged whole and told in one line."""
    if isinstance(error, UNetError):
        return str(error)
    code = uuid.uuid4().hex[:8]
    logger.error("unexpected error %s", code, exc_info=error)
    return (
        "Something went wrong that should not have. Try again or try another image; if it "
        f"stays, report it with the code {code}."
    )
