"""What the demo knows of Gradio beyond its documentation. If a new Gradio breaks the demo, a test
here says which of it is no longer so; see `demo/parts/gradio_internals.py`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from gradio_client import Client
from playwright.sync_api import expect

from demo.parts.gradio_internals import (
    POLL_SECONDS,
    hide_sign_in_from_api,
    poll_queue_less,
    served_file,
    upload_folder,
)


def test_a_file_of_a_value_comes_with_an_address_and_from_where_it_lies(served: Callable):
    def build() -> None:
        upload_folder().mkdir(parents=True, exist_ok=True)
        path = upload_folder() / "here.txt"
        path.write_text("hello")
        gr.HTML(
            {"file": served_file(path)},
            html_template="<p>waiting</p>",
            js_on_load="fetch(props.value.file.url).then((answer) => answer.text())"
            ".then((text) => { element.querySelector('p').textContent = text; });",
            elem_id="told",
        )

    page = served(build)
    expect(page.locator("#told p")).to_have_text("hello")
    copies = [path for path in upload_folder().rglob("*") if path.is_file()]
    assert [path.name for path in copies] == ["here.txt"]


def test_an_upload_lies_in_the_upload_folder_and_its_markup_is_as_scripts_expect(
    served: Callable, tmp_path: Path
):
    came = []

    def build() -> None:
        upload = gr.File(elem_id="upload")
        upload.upload(lambda path: came.append(path) or "It came.", upload, gr.Textbox())

    page = served(build)
    sent = tmp_path / "sent.txt"
    sent.write_text("hello")
    # `drop_and_paste.js` tells uploads apart by this class, `upload_guard.js` fills this input.
    expect(page.locator("#upload .upload-container")).to_have_count(1)
    page.locator("#upload input[type=file]").set_input_files(sent)
    expect(page.get_by_role("textbox")).to_have_value("It came.")
    (path,) = came
    assert upload_folder().resolve() in Path(path).resolve().parents


def test_the_event_of_the_sign_in_button_is_hidden_from_programs(monkeypatch):
    # Where no Space offers a sign-in, Gradio would ask the Hub who we are.
    monkeypatch.setattr("gradio.routes.attach_oauth", lambda app: None)
    with gr.Blocks(analytics_enabled=False) as page:
        gr.LoginButton()
    found = [event for event in page.fns.values() if event.api_name == "_check_login_status"]
    assert [event.api_visibility for event in found] == ["public"]
    hide_sign_in_from_api(page)
    assert [event.api_visibility for event in found] == ["private"]


def test_the_queue_looks_for_work_a_hundred_times_a_second(monkeypatch):
    with gr.Blocks(analytics_enabled=False) as page:
        button = gr.Button()
        button.click(lambda: "an answer", None, gr.Textbox(), api_name="ask")
    page.queue(max_size=3)
    before = page._queue
    poll_queue_less(page)
    slept: list[float] = []
    sleep = asyncio.sleep

    async def counted(seconds: float, *given: object) -> object:
        slept.append(seconds)
        return await sleep(seconds, *given)

    monkeypatch.setattr("gradio.queueing.asyncio.sleep", counted)
    _, url, _ = page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, run_history=False
    )
    try:
        assert Client(url, verbose=False).predict(api_name="/ask") == "an answer"
    finally:
        page.close()
    assert page._queue is before  # or what was set would be lost
    assert POLL_SECONDS in slept
    assert 0.001 not in slept
