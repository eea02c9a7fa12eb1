"""What can go wrong on the way to the loopback Hub, on demand.

A fault is a coroutine function that stands before the Hub: it may pass a request on, change what
is sent, answer in the Hub's place, or hang up.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]  # an ASGI application
Fault = Callable[[Answer, dict[str, Any], Receive, Send], Awaitable[None]]


class Connection(H11Protocol):
    """uvicorn's own; a fault may also close it, which ASGI has no word for."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def hang_up(scope: dict[str, Any], receive: Receive) -> None:
    """Closes the request's connection after what has been sent so far."""
    scope["state"]["transport"].close()
    while (await receive())["type"] != "http.disconnect":
        pass  # until the server knows, too, and does not miss an answer


@dataclass
class Lost:
    """A connection that ends after so many requests or bytes of files, and never comes back."""

    n_requests: int  # still to be answered
    n_bytes: int  # of the contents of files, still to be sent
    noticed: threading.Event = field(default_factory=threading.Event)  # a request went unanswered

    async def __call__(
        self, answer: Answer, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        self.n_requests -= 1
        if self.n_requests < 0 or self.n_bytes <= 0:
            await hang_up(scope, receive)
            return self.noticed.set()
        is_file = scope["method"] == "GET" and "/resolve/" in scope["path"]

        async def cut(message: dict[str, Any]) -> None:
            body = message.get("body", b"")
            if len(body) > self.n_bytes:
                await send({**message, "body": body[: self.n_bytes], "more_body": True})
                self.n_bytes = 0
                await hang_up(scope, receive)
            else:
                self.n_bytes -= len(body)
                await send(message)

        await answer(scope, receive, cut if is_file else send)
