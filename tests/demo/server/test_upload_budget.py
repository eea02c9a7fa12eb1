"""What one visitor may send within an hour; the disk is for all."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from demo.server import limits
from demo.server.http import upload_budget
from demo.server.http.upload_budget import UploadBudget

MEGABYTE = b"x" * 2**20


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, monkeypatch, clock: Clock) -> TestClient:
    monkeypatch.setattr(limits, "MAX_UPLOAD_MEGABYTES", 3)
    route = Route("/gradio_api/upload", lambda _: PlainTextResponse("here"), methods=["POST"])
    budget = Middleware(UploadBudget, folder=tmp_path, now=clock)
    return TestClient(Starlette(routes=[route], middleware=[budget]))


def test_a_visitor_sends_so_much_an_hour_and_others_are_not_concerned(client, clock):
    def send(visitor: str = "") -> int:
        headers = {"x-forwarded-for": visitor} if visitor else {}
        return client.post("/gradio_api/upload", content=MEGABYTE, headers=headers).status_code

    assert [send() for _ in range(4)] == [200, 200, 200, 413]
    assert client.get("/uploads_left").json() == {"bytes": 0}
    refused = client.post("/gradio_api/upload", content=MEGABYTE).json()["detail"]
    assert refused.endswith("Send less, or wait until the earlier ones are deleted.")
    assert send("somebody else") == 200
    clock.seconds += limits.KEEP_SECONDS + 1
    assert send() == 200
    assert client.get("/uploads_left").json() == {"bytes": 2 * 2**20}


def test_the_disk_is_not_filled(client, monkeypatch, tmp_path):
    free = upload_budget.shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(upload_budget, "RESERVE", free + 2**30)
    assert client.get("/uploads_left").json() == {"bytes": 0}
    assert client.post("/gradio_api/upload", content=MEGABYTE).status_code == 413
