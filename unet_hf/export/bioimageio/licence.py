"""Licences of weights as SPDX names them, and those that keep weights out of the zoo."""

import re

from ...errors import ExportError

# The Hub has SPDX's names in small letters, and of some only the first part; SPDX says that
# "GPL-3.0" means that version alone.
KNOWN = (
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0",
    "CC-BY-SA-4.0", "CC0-1.0", "ISC", "MIT", "MPL-2.0", "Unlicense",
)  # fmt: skip
ONLY = ("AGPL-3.0", "GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0")
SPDX = {name.lower(): name for name in KNOWN} | {name.lower(): f"{name}-only" for name in ONLY}
NON_COMMERCIAL = re.compile(r"(^|-)nc(-|$)|non-?commercial", re.IGNORECASE)


def spdx_license(stated: str) -> str:
    """Returns the SPDX name of a licence as a card states it.

    Raises:
        ExportError: It is not stated, not known, or allows non-commercial use only.
    """
    if NON_COMMERCIAL.search(stated):
        raise ExportError(
            f"The licence of these weights, {stated}, allows non-commercial use only, and the "
            "BioImage Model Zoo passes models on to everybody, companies too. Train on data that "
            "may be used for that, or export to onnx for use of your own."
        )
    found = SPDX.get(stated.lower())
    if found is None:
        raise ExportError(
            f"The zoo asks for a licence by its SPDX name, and the card says {stated!r}. Write "
            "one of these as `license:` into the metadata of the checkpoint's README.md: "
            f"{', '.join(sorted(SPDX))}."
        )
    return found
