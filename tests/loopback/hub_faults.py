"""What can go wrong on the way to the loopback Hub, on demand.

A fault is a coroutine function that stands before the Hub: it may pass a request on, change what
is sent, answer in the Hub's place, or hang up.
"""

import asyncio
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
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


def together(*faults: Fault) -> Fault:
    """Several faults at once; each sees what the ones after it pass on or send."""

    async def fault(answer: Answer, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        for inner in reversed(faults):
            answer = partial(inner, answer)
        await answer(scope, receive, send)

    return fault


def is_content(scope: dict[str, Any]) -> bool:
    """Does the request ask for the content of a file?"""
    path = scope["path"]
    return scope["method"] == "GET" and ("/resolve/" in path or path.startswith("/large/"))


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

        async def cut(message: dict[str, Any]) -> None:
            body = message.get("body", b"")
            if len(body) > self.n_bytes:
                await send({**message, "body": body[: self.n_bytes], "more_body": True})
                self.n_bytes = 0
                await hang_up(scope, receive)
            else:
                self.n_bytes -= len(body)
                await send(message)

        await answer(scope, receive, cut if is_content(scope) else send)


class Chosen:
    """Of the requests "GET /path" that fit the pattern `only`, the first `times` (None: all)."""

    def __init__(self, only: str = "", times: int | None = None) -> None:
        self.only = re.compile(only)
        self.times = sys.maxsize if times is None else times

    def takes(self, scope: dict[str, Any]) -> bool:
        if not self.only.search(f"{scope['method']} {scope['path']}") or self.times <= 0:
            return False
        self.times -= 1
        return True


class Refuses(Chosen):
    """Answers a status and the headers that the client reads, in the Hub's place.

    code: `X-Error-Code`, e.g. "GatedRepo". headers: more of them, e.g. {"Retry-After": "60"}.
    """

    def __init__(
        self,
        status: int,
        code: str | None = None,
        message: str = "",
        *,
        only: str = "",
        times: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(only, times)
        self.status, self.headers = status, {"X-Error-Message": message, **(headers or {})}
        if code:
            self.headers["X-Error-Code"] = code

    async def __call__(
        self, answer: Answer, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        if not self.takes(scope):
            return await answer(scope, receive, send)
        while scope["method"] in ("POST", "PUT") and (await receive()).get("more_body"):
            pass  # an unread body would cost the client its connection, and this answer
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        headers.append((b"content-length", b"0"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def limited(calls: int) -> dict[str, str]:
    """Headers of a 429 that allows `calls` more requests, and asks to wait a minute for others."""
    policy = '"fixed window";"api";q=500;w=300'
    return {"RateLimit": f'"api";r={calls};t=60', "RateLimit-Policy": policy, "Retry-After": "60"}


class Slow(Chosen):
    """Sends each content in `chunks` parts, with a pause of so many seconds between them."""

    def __init__(self, seconds: float, *, chunks: int = 2, only: str = "") -> None:
        super().__init__(only)
        self.seconds, self.chunks = seconds, chunks

    async def __call__(
        self, answer: Answer, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        async def slowly(message: dict[str, Any]) -> None:
            body = message.get("body", b"")
            size = -(-len(body) // self.chunks)
            for start in range(size, len(body), size or 1):
                part = body[start - size : start]
                await send({**message, "body": part, "more_body": True})
                await asyncio.sleep(self.seconds)
                message = {**message, "body": body[start:]}
            await send(message)

        await answer(scope, receive, slowly if is_content(scope) and self.takes(scope) else send)


class HangsUp(Chosen):
    """Takes the request and closes the connection without an answer."""

    async def __call__(
        self, answer: Answer, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        if not self.takes(scope):
            return await answer(scope, receive, send)
        await hang_up(scope, receive)


class Truncated(Chosen):
    """Sends only the first `kept` of each content.

    honest: then hangs up, before the announced length. Else the announced length is the short
    one, here and where only that is asked for (HEAD): nothing shows that bytes are missing.
    """

    def __init__(
        self, kept: float = 0.5, *, honest: bool = True, only: str = "", times: int | None = None
    ) -> None:
        super().__init__(only, times)
        self.kept, self.honest = kept, honest

    async def __call__(
        self, answer: Answer, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        about = scope if self.honest else {**scope, "method": "GET"}
        if not (is_content(about) and self.takes(scope)):
            return await answer(scope, receive, send)

        async def cut(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                if not self.honest:
                    message = {**message, "headers": self._shorter(message["headers"])}
                return await send(message)
            body = message.get("body", b"")
            body = body[: int(self.kept * len(body))]
            await send({**message, "body": body, "more_body": self.honest})
            if self.honest:
                await hang_up(scope, receive)

        await answer(scope, receive, cut)

    def _shorter(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        lengths = (b"content-length", b"x-linked-size")
        return [
            (name, b"%d" % (self.kept * int(value)) if name.lower() in lengths else value)
            for name, value in headers
        ]
