"""How much one visitor may send within the hour for which uploads are kept: the disk is for all.

A middleware counts what comes from each address, and refuses what is too much. The page asks it
beforehand, at `LEFT`, so that a visitor reads a sentence instead of Gradio's own words.
"""

import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import limits

LEFT = "/uploads_left"
RESERVE = 2**30  # bytes of the disk that stay free


class UploadBudget:
    """folder: Where uploads are written. now: The time, in seconds."""

    def __init__(
        self, app: ASGIApp, folder: Path, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.app, self.folder, self.now = app, folder, now
        self._sent: dict[str, deque[tuple[float, int]]] = {}  # by address: when, bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").rstrip("/")
        if scope["type"] != "http" or not path.endswith((LEFT, "/upload")):
            await self.app(scope, receive, send)
            return
        address = address_of(scope)
        left = self.left(address)
        if path.endswith(LEFT):
            await JSONResponse({"bytes": left})(scope, receive, send)
            return
        size = int(Headers(scope=scope).get("content-length") or 0)
        if size > left:
            await JSONResponse({"detail": refusal(left)}, 413)(scope, receive, send)
            return
        self._sent.setdefault(address, deque()).append((self.now(), size))
        await self.app(scope, receive, send)

    def left(self, address: str) -> int:
        """Bytes that may still be sent from an address."""
        oldest = self.now() - limits.KEEP_SECONDS
        for other, sent in list(self._sent.items()):
            while sent and sent[0][0] < oldest:
                sent.popleft()
            if not sent:
                del self._sent[other]
        used = sum(size for _, size in self._sent.get(address, ()))
        free = shutil.disk_usage(self.folder).free - RESERVE
        return max(0, min(limits.MAX_UPLOAD_MEGABYTES * 2**20 - used, free))


def address_of(scope: Scope) -> str:
    """The visitor's; a Space stands behind a proxy, which says whom it speaks for."""
    forwarded = Headers(scope=scope).get("x-forwarded-for", "").partition(",")[0].strip()
    return forwarded or (scope.get("client") or ("",))[0]


def refusal(left: int) -> str:
    return (
        f"Uploads are kept for an hour, and {limits.MAX_UPLOAD_MEGABYTES // 2**10} GB of each "
        f"visitor's at a time; {left // 2**20} MB are left. Send less, or wait until the earlier "
        "ones are deleted."
    )
