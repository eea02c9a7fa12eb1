"""How objects are counted, as a visitor sets it: read from what they type."""

from unet_hf.errors import ConfigError

LEARNED = ("Parted as the network learned", "learned")
METHODS = [("Connected regions", "components"), ("Split touching objects", "watershed"), LEARNED]
WORDS = {
    "components": "connected regions",
    "watershed": "touching objects split",
    "learned": "parted as the network learned",
}
MOST = 10**9  # pixels; more than any image has


def methods_of(learned: bool) -> list[tuple[str, str]]:
    """The ways of counting that a checkpoint offers, in words and by name.

    learned: It was trained to tell objects apart.
    """
    return [method for method in METHODS if learned or method is not LEARNED]


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


def method_words(method: str, seed: float | None = None) -> str:
    """The method in a sentence; the seed, where it has one."""
    return WORDS[method] + ("" if seed is None else f" from seed height {seed:.2f}")
