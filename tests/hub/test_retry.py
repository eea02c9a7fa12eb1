"""What the Hub cannot do for the moment is asked for again, down and up by one rule."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest
from huggingface_hub import ModelInfo
from huggingface_hub.errors import HfHubHTTPError, HTTPError

from train.config import TrainingConfig
from train.publish import HubTarget
from unet_hf.data import sources
from unet_hf.errors import PushError, UNetError
from unet_hf.hub import download, retry
from unet_hf.hub.client_errors import RepoRef, as_checkpoint_error
from unet_hf.hub.download import Commit
from unet_hf.hub.push import propose_once, push_with_retries
from unet_hf.hub.retry import asked_wait, has_transient_status, retry_transient

from ..loopback.hub_faults import limited


def failure(status: int, **headers: str) -> HfHubHTTPError:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("GET", "http://hub/x")
    return HfHubHTTPError("no", response=httpx.Response(status, headers=fields, request=request))


@pytest.fixture
def slept(monkeypatch) -> Iterator[list[float]]:
    seconds: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", seconds.append)
    yield seconds


def failing(*errors: Exception):
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return call


def in_a_minute() -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "7 seconds"}, 7),
        ({"Retry_After": "soon"}, 0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"RateLimit": '"api";r=0;t=55', "Retry_After": "300"}, 55),
        ({"RateLimit": '"api";r=12;t=55', "Retry_After": "3"}, 3),
    ],
)
def test_the_wait_that_the_hub_asks_for(headers, seconds):
    assert asked_wait(failure(429, **headers)) == seconds


def test_a_wait_may_be_a_date():
    assert 57 <= asked_wait(failure(503, Retry_After=in_a_minute())) <= 60


def test_it_waits_as_long_as_asked_and_no_longer_than_allowed(slept):
    rule = {"longest_wait": 10, "is_transient": has_transient_status}
    call = failing(failure(500), failure(429, Retry_After="4"))
    assert retry_transient(call, (0.5, 1.5), **rule) == "answer"
    assert slept == [0.5, 4]
    with pytest.raises(HfHubHTTPError):
        retry_transient(failing(failure(429, Retry_After="11")), (0.5, 1.5), **rule)
    with pytest.raises(HfHubHTTPError):
        retry_transient(failing(failure(404)), (0.5, 1.5), **rule)
    with pytest.raises(HfHubHTTPError):
        retry_transient(failing(*[failure(500)] * 3), (0.5, 1.5), **rule)
    assert slept == [0.5, 4, 0.5, 1.5]


def test_both_directions_understand_both_headers(slept):
    """A push did not know `RateLimit`, and took the day of a date for seconds."""
    only_limit = {"RateLimit": limited(0)["RateLimit"]}
    for headers in (only_limit, {"Retry_After": in_a_minute()}):
        error = failure(429, **headers)
        assert "Try again in " in str(
            as_checkpoint_error(error, RepoRef("org/net", None), cached=False)
        )
        with pytest.raises(PushError, match=r"Push again in (5\d|60) s"):
            push_with_retries(failing(*[error] * 3), "org/net", (0.5, 1.5))
    assert slept == []


TOKEN = "hf_secretofalice"


def refused_with_token(status: int) -> HfHubHTTPError:
    error = failure(status)
    error.response.request.headers["Authorization"] = f"Bearer {TOKEN}"
    assert TOKEN in shown(error)  # what a debugger would find
    return error


def shown(error: BaseException | None) -> str:
    """Whatever hangs on an error and on those before it."""
    seen, text, left = set(), "", [error]
    while left:
        error = left.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        left += [error.__cause__, error.__context__]
        text += f"{error!r} {vars(error)!r}"
        if (response := getattr(error, "response", None)) is not None:
            text += f"{dict(response.request.headers)!r}"
    return text


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_no_error_that_is_raised_leads_to_the_request_and_its_token(status, slept, monkeypatch):
    def refuse(*_, **__):
        raise refused_with_token(status)

    sha, name = "a" * 40, RepoRef("org/net", None)
    files = [{"rfilename": "config.json", "size": 3}]
    commit = Commit(name, ModelInfo(id="org/net", sha=sha, siblings=files), TOKEN, None, False)
    monkeypatch.setattr(download.HfApi, "model_info", refuse)
    monkeypatch.setattr(download.HfApi, "whoami", refuse)
    monkeypatch.setattr(download, "get_hf_file_metadata", refuse)
    config = TrainingConfig(dataset_name="x", output_dir="y", push_to_hub=True)
    calls = [
        lambda: download.fetch_repo_info(name, TOKEN, cached=False),
        lambda: commit.fetch("config.json"),
        lambda: push_with_retries(refuse, "org/net", ()),
        lambda: push_with_retries(lambda: propose_once(refuse, "org/net"), "org/net", ()),
        lambda: HubTarget.verified(config),
        lambda: sources._guarded(refuse, "org/cells", TOKEN),
    ]
    for call in calls:
        with pytest.raises(UNetError) as caught:
            call()
        assert TOKEN not in shown(caught.value)


def test_a_conflict_and_a_lost_connection_are_tried_again_on_the_way_up_only(slept):
    broken = HTTPError("gone")
    assert push_with_retries(failing(failure(412), broken), "org/net", (0.5, 1.5)) == "answer"
    assert slept == [0.5, 1.5]
    assert not has_transient_status(failure(412))
    assert not has_transient_status(broken)
