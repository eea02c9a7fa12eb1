"""How messages say numbers of things."""


def number_of(count: int, what: str) -> str:
    """Returns "1 image" or "5,000 images"; what: In the singular."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
