"""Scripts of the page are asked for again at each visit, and sent again only if they have changed.

A browser may otherwise keep some of them for days, and others not: after an update of the demo,
modules of two versions would meet on one page.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class CheckedScripts:
    """Says so to browsers, and answers 304 where theirs is the one that is here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(".js"):
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match")
        unchanged = False

        async def checked(message: Message) -> None:
            nonlocal unchanged
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-cache")
                unchanged = known is not None and known.removeprefix("W/") == headers.get("etag")
                if unchanged:
                    message["status"] = 304
                    del headers["content-length"]
            elif message["type"] == "http.response.body" and unchanged:
                message["body"] = b""
            await send(message)

        await self.app(scope, receive, checked)
