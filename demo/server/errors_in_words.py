"""What a visitor reads when something went wrong."""

import errno
import logging
import re
import uuid

from unet_hf import UNetError

logger = logging.getLogger(__name__)
FULL = (errno.ENOSPC, errno.EDQUOT)


# What the library says to people who write Python, and the page to people who do not.
FOR_THE_PAGE = (
    (r"Pick one, e\.g\. channel=0, or use", "Choose one of its channels above the picture, or use"),
    (r", e\.g\. pixels\[[^]]*\]", ""),
    (r", e\.g\.\s+with np\.nan_to_num\([^)]*\)", " by numbers"),
    (r" \(its first bytes are [0-9a-f ]*\)", ""),
    (r" \(and HF_HUB_OFFLINE[^)]*\)", ""),
    (r"Say what they are, e\.g\. axes=.* for a stack\.", "Say what they are, above the picture."),
    (r"Pass (axes, )?e\.g\. axes='CYX'( or axes='ZYX')?\.", "Type, for example, CYX or ZYX."),
    (r" \(--axes [A-Z]*\)", ""),
    (
        r"Objects of a single picture are found by `segment`\.",
        "A single picture is for the tab Segment.",
    ),
    (r"\baxes='?([A-Za-z]*)'?", r"“\1”"),
    (r" \(linking=\{.* overrides it\)", "; “Cells divide” above overrides it"),
    (r"; frame_interval=.* overrides it", "; “Time between frames” above overrides it"),
    (r": frame_interval=\.\.\. or .*", ": “Time between frames” above says it"),
    (r"^frame_interval=", "The time between frames "),
    (r"^threshold=", "The threshold "),
    (r"^pixel_size=", "The pixel size "),
    (r"e\.g\. \(0\.25, 'µm'\) in Python and '0\.25 um' elsewhere", "for example 0.25 um"),
    (r"\bpass pixel_size\b", "give the pixel size"),
    (
        r"Log in with `hf auth login`, or .*, or name another repository\.",
        "Sign out and in again, and let this page create repositories when you are asked; or "
        "choose another name.",
    ),
    (r"(cannot be pushed to) offline\. .*", r"\1: this server works without the Hub."),
)


def page_sentence(error: Exception) -> str:
    """As `plain_sentence`, without what only makes sense in Python."""
    return without_python(plain_sentence(error))


def without_python(sentence: str) -> str:
    """A sentence or a note of the library, in words of the page."""
    for pattern, words in FOR_THE_PAGE:
        sentence = re.sub(pattern, words, sentence)
    return sentence


def plain_sentence(error: Exception) -> str:
    """What a visitor reads. Unexpected errors are logged whole and told in one line."""
    if isinstance(error, UNetError):
        return str(error)
    if isinstance(error, OSError) and error.errno in FULL:
        logger.error("%s", error)
        return "The disk of this server is full. Try again in some minutes; nothing else is wrong."
    code = uuid.uuid4().hex[:8]
    logger.error("unexpected error %s", code, exc_info=error)
    return (
        "Something went wrong that should not have. Try again or try another image; if it "
        f"stays, report it with the code {code}."
    )
