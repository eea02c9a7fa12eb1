"""Opens the demo: `python app.py`, or as a Hugging Face Space."""

import argparse
import importlib.util
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

# Before Gradio is imported: no version check, no usage reports, no history of runs.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

INTERRUPTED = 130  # exit status that shells expect after Ctrl-C


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Segment images with a U-Net in the browser.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on; 0.0.0.0: every network interface")
    parser.add_argument("--port", type=int, help="port to listen on; the first free one from 7860")
    parser.add_argument(
        "--model", help="checkpoint offered first: a shipped name, a Hub id or a folder"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    return parser.parse_args()


def mcp_is_installed() -> bool:
    """Can the endpoints be offered to language models, too? Said in the log where they cannot."""
    if importlib.util.find_spec("mcp") is not None:
        return True
    logging.getLogger("demo").info(
        "The endpoints are not offered as MCP tools: pip install 'gradio[mcp]' adds that."
    )
    return False


def main() -> None:
    options = parse_arguments()
    # Ctrl-C while packages are imported, which takes seconds, ends in silence, too.
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:  # a command in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpx2"):  # each request of Gradio and of huggingface_hub
        logging.getLogger(noisy).setLevel(logging.WARNING)

    # An orderly end also when a container is stopped: temporary files of visitors are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    # What visitors upload goes with this process, however it is ended in order.
    uploads = tempfile.TemporaryDirectory(prefix="unet_hf_uploads_")
    os.environ.setdefault("GRADIO_TEMP_DIR", uploads.name)

    from starlette.middleware import Middleware

    from demo.batch.tab import served_folders
    from demo.films.job import shown_folders
    from demo.interface import build
    from demo.parts.gradio_internals import poll_queue_less, upload_folder
    from demo.parts.texts import CSS
    from demo.parts.theme import theme
    from demo.server.allocator import bound_arenas
    from demo.server.checkpoints.models import LOCAL
    from demo.server.checkpoints.taught import taught_folders
    from demo.server.folders import Janitor, ResultFolders
    from demo.server.http.cross_origin import isolation
    from demo.server.http.script_caching import CheckedScripts, CompressedPage
    from demo.server.http.upload_budget import UploadBudget
    from demo.server.limits import MAX_FILE_MEGABYTES, MAX_SESSIONS
    from demo.server.results.kept_results import AllKeptResults
    from demo.server.work.queue import OTHERS_AT_ONCE
    from demo.viewer.payload import viewer_folders

    if options.model and Path(options.model).is_dir():
        os.environ[LOCAL] = options.model  # visitors may ask for this folder, and for no other
    bound_arenas()
    results = ResultFolders()
    demo = build(options.model, results)
    shown = [viewer_folders(), served_folders(), shown_folders()]
    Janitor([results, *shown, taught_folders(), AllKeptResults()]).start()
    # Of all visitors; each has a bound of their own, see `server.work.runs`.
    demo.queue(max_size=1000, default_concurrency_limit=OTHERS_AT_ONCE)
    poll_queue_less(demo)
    budget = Middleware(UploadBudget, folder=upload_folder())
    sent = [budget, Middleware(CompressedPage), Middleware(CheckedScripts)]
    middleware = [*sent, *isolation(os.environ)]
    signal.signal(signal.SIGINT, interrupt)  # of Gradio, which closes the server
    demo.launch(
        server_name=options.host,
        server_port=options.port,
        inbrowser=not (options.no_browser or os.environ.get("SPACE_ID")),
        theme=theme(),
        css=CSS,
        footer_links=["api"],
        run_history=False,
        max_file_size=f"{MAX_FILE_MEGABYTES}mb",
        state_session_capacity=MAX_SESSIONS,
        mcp_server=mcp_is_installed(),
        app_kwargs={"middleware": middleware},
    )


if __name__ == "__main__":
    main()
