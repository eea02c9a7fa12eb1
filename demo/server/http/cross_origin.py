"""A page that is isolated from all others, where a browser lets WebAssembly use several threads.

Two headers ask for it: no window of another site may hold on to this one, and nothing comes in
from elsewhere that does not say it may. The demo has nothing from elsewhere.

A Space is left as it is: there the page stands in a frame of another site, which would have to ask
for the same, and somebody's picture of the sign-in comes from a third one.
"""

from collections.abc import Mapping

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = [
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
]


class Isolated:
    """Adds the headers to every answer: a worker is refused by an isolated page without them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


def isolation(environment: Mapping[str, str]) -> list[Middleware]:
    """What isolates the page, if it can be. environment: Has SPACE_ID on a Space."""
    return [] if environment.get("SPACE_ID") else [Middleware(Isolated)]
