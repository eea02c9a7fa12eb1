"""How the page and its scripts are sent: small, and never two versions of one page.

Scripts of the page are asked for again at each visit, and sent again only if they have changed.

A browser may otherwise keep some of them for days, and others not: after an update of the demo,
modules of two versions would meet on one page.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class CompressedPage:
    """The page itself, sent small: Gradio compresses what has an ending, such as scripts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.compressed = app, GZipMiddleware(app, minimum_size=1000, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["path"] in ("", "/", "/config")
        await (self.compressed if is_page else self.app)(scope, receive, send)


class CheckedScripts:
    """Says so to browsers, and answers 304 where theirs is the one that is here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(".js"):
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match")
        unchanged = answered = False

        async def checked(message: Message) -> None:
            nonlocal unchanged, answered
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-cache")
                unchanged = known is not None and known.removeprefix("W/") == headers.get("etag")
                if unchanged:
                    message["status"] = 304
                    del headers["content-length"]
            elif message["type"] == "http.response.body" and unchanged:
                # The first piece of a large file ends the answer: what compresses it further out
                # would make bytes of an empty piece that others follow, and a 304 has none.
                if answered:
                    return
                answered = True
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self.app(scope, receive, checked)
