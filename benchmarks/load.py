"""The demo with several visitors at once: `python -m benchmarks.load`.

`python app.py` in a process of its own, and 1, 2, 4, 8 clients that each send a drawn 512 x 512
micrograph to `/segment`, wait for overlay, mask and summary, and send it again. Beside it, in
turn, `model.segment` of the same file in this process, with nothing around it: what requests
take more is the page's (queue, upload, files written, downloads) and the clients', who live on
the same machine. The peak is that of the server's resident memory.

Then one visitor beside somebody else's work: how long a small image takes alone, beside a batch of
1024 x 1024 images in the tab Many images, and beside another visitor's image of 4000 x 4000 pixels.
`--only beside` measures this part alone, `--only clients` the other.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import PIL.Image
from gradio_client import Client, handle_file

from demo.synthetic import electron_micrograph
from unet_hf import UNet

from . import measuring
from .measuring import clock, forget_peak, megabytes, ratios, served, table, written

SIDE = 512  # px
BATCH = 30  # images
CLICK_SIDE = 256  # of the image of a visitor beside others
ALONE = "none: model.segment"


@dataclass
class Load:
    """What came of a number of clients."""

    rates: list[float] = field(default_factory=list)  # images a second, round by round
    latencies: list[float] = field(default_factory=list)  # seconds, of each request
    peak: float = 0.0  # MB, of the server

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--requests", type=int, default=40, help="of all clients, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="unet-isbi", help="shipped name or Hub id")
    parser.add_argument("--only", choices=("clients", "beside"), help="one of the two parts")
    parser.add_argument("--clicks", type=int, default=12, help="beside each kind of work")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    figures = {}
    with tempfile.TemporaryDirectory() as folder, served() as (url, server):
        if options.only != "beside":
            figures |= several_clients(options, Path(folder), url, server)
        if options.only != "clients":
            figures |= beside_others(options, Path(folder), url)
    measuring.write_json(options.json, figures)


def several_clients(
    options: argparse.Namespace, folder: Path, url: str, server: int
) -> dict[str, object]:
    """Prints the table of 1, 2, 4 ... clients; returns its figures."""
    model = UNet.from_pretrained(options.model)
    image = drawn(folder / "image.png", SIDE)
    visitors = [visitor(url, folder, image, options.model) for _ in range(max(options.clients))]
    sides = {ALONE: [lambda: model.segment(image)]}
    sides |= {str(count): visitors[:count] for count in options.clients}
    for side in sides.values():
        at_once(side, len(side))  # threads, connections and memory are there by now
    at_rest = megabytes("VmRSS", server)
    loads = {name: Load() for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            forget_peak(server)
            rate, latencies = at_once(side, options.requests)
            loads[name].rates.append(rate)
            loads[name].latencies += latencies
            loads[name].peak = max(loads[name].peak, megabytes("VmHWM", server))
    print(
        f"{options.model}, {SIDE} x {SIDE} px, {measuring.on_this_machine()}; {options.rounds} "
        f"rounds of {options.requests} requests, median [min .. max]. The server between them: "
        f"{at_rest:.0f} MB.\n"
    )
    head = ("clients", "images a second", f"times that of {options.clients[0]}", "times segment's")
    print(table((*head, "p50, ms", "p95, ms", "peak, MB"), rows(loads)), end="\n\n")
    return {"at_rest": at_rest, "clients": {name: asdict(load) for name, load in loads.items()}}


def beside_others(options: argparse.Namespace, folder: Path, url: str) -> dict[str, object]:
    """Prints how long a visitor waits beside others' work; returns the seconds of each click."""
    click = visitor(url, folder, drawn(folder / "click.png", CLICK_SIDE), options.model)
    click()  # the first one packs weights
    seconds = {"nobody": [clock(click) for _ in range(options.clicks)]}
    with running_batch(url, folder):
        seconds["a batch of 1024 x 1024"] = [clock(click) for _ in range(options.clicks)]
    large = visitor(url, folder, drawn(folder / "large.png", 4000), options.model)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(clock, large)
        time.sleep(3)  # it is uploaded and read by then
        seconds["4000 x 4000 of another"] = beside = []
        while not other.done() and len(beside) < options.clicks:
            beside.append(clock(click))
    print(
        f"One visitor's image of {CLICK_SIDE} x {CLICK_SIDE} px, {options.model}, "
        f"{measuring.on_this_machine()}. The other visitor's took {other.result():.1f} s.\n"
    )
    lines = [
        [name, f"{statistics.median(own):.2f}", f"{max(own):.2f}", str(len(own))]
        for name, own in seconds.items()
    ]
    print(table(("beside", "median, s", "worst, s", "clicks"), lines))
    return {"beside": seconds, "large image": other.result()}


@contextmanager
def running_batch(url: str, folder: Path) -> Iterator[None]:
    """A browser with the tab Many images, in which a batch is at work."""
    from playwright.sync_api import expect, sync_playwright

    images = [drawn(folder / f"batch{number}.png", 1024, number) for number in range(BATCH)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("tab", name="Many images").click()
        page.locator("#batch_upload input[type=file]").set_input_files(images)
        expect(page.locator("#batch_run")).to_be_enabled(timeout=60_000)
        page.locator("#batch_run").click()
        state = page.locator("#batch_progress [role=status]")
        expect(state).to_contain_text(f"1 of {BATCH} segmented", timeout=60_000)
        yield
        expect(state).to_have_attribute("data-state", "running")  # beside it to the end
        browser.close()


def drawn(path: Path, side: int, shift: int = 0) -> Path:
    """A drawn micrograph of this side, in a file; larger than `SIDE` it repeats itself."""
    tile = np.roll(micrograph(min(side, SIDE)), shift, axis=0)
    times = -(-side // len(tile))
    PIL.Image.fromarray(np.tile(tile, (times, times))[:side, :side]).save(path)
    return path


@cache
def micrograph(side: int) -> np.ndarray:
    return electron_micrograph(side, side * side // 1846, seed=0).image


def visitor(url: str, folder: Path, image: Path, model: str) -> Callable[[], object]:
    """Sends the image, and downloads what is answered."""
    client = Client(url, verbose=False, download_files=folder)
    return lambda: client.predict(handle_file(image), model, api_name="/segment")


def at_once(side: list[Callable[[], object]], requests: int) -> tuple[float, list[float]]:
    """Each does its share of the requests, one after the other; requests a second, and seconds
    of each."""
    share = -(-requests // len(side))
    with ThreadPoolExecutor(len(side)) as pool:
        started = time.perf_counter()
        latencies = list(pool.map(lambda send: [clock(send) for _ in range(share)], side))
        seconds = time.perf_counter() - started
    return share * len(side) / seconds, [*chain(*latencies)]


def rows(loads: dict[str, Load]) -> list[list[str]]:
    one = next(load for name, load in loads.items() if name != ALONE)  # the first number of clients
    return [
        [
            name,
            written(load.rates, 1),
            "" if load is loads[ALONE] else written(ratios(load.rates, one.rates)),
            written(ratios(load.rates, loads[ALONE].rates)),
            f"{1000 * load.percentile(50):.0f}",
            f"{1000 * load.percentile(95):.0f}",
            "" if load is loads[ALONE] else f"{load.peak:.0f}",
        ]
        for name, load in loads.items()
    ]


if __name__ == "__main__":
    main()
