"""How objects are counted, as a visitor sets it: read from what they type."""

from unet_hf.errors import ConfigError

METHODS = [("Connected regions", "components"), ("Split touching objects", "watershed")]
MOST = 10**9  # pixels; more than any image has


def read_min_size(text: str | None) -> int:
    """A number of pixels; 0 for an empty field. Raises `ConfigError`."""
    text = "".join((text or "").split()).removesuffix("px")
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) > MOST:
        raise ConfigError(
            f"The smallest size is {text[:20]!r}. Type a number of pixels: 0, 1, 2 ... "
            "With 0, every object counts."
        )
    return int(text)


def method_words(method: str) -> str:
    """The method in a sentence."""
    return "touching objects split" if method == "watershed" else "connected regions"
