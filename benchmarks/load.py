"""The demo with several visitors at once: `python -m benchmarks.load`.

`python app.py` in a process of its own, and 1, 2, 4, 8 clients that each send a drawn 512 x 512
micrograph to `/segment`, wait for overlay, mask and summary, and send it again. Beside it, in
turn, `model.segment` of the same file in this process, with nothing around it: what requests
take more is the page's (queue, upload, files written, downloads) and the clients', who live on
the same machine. The peak is that of the server's resident memory.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import PIL.Image
from gradio_client import Client, handle_file

from demo.synthetic import electron_micrograph
from unet_hf import UNet

from . import measuring
from .measuring import clock, forget_peak, megabytes, ratios, served, table, written

SIDE = 512  # px
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
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    model = UNet.from_pretrained(options.model)
    with tempfile.TemporaryDirectory() as folder, served() as (url, server):
        image = Path(folder) / "image.png"
        PIL.Image.fromarray(electron_micrograph(SIDE, 142, seed=0).image).save(image)
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
    print(table((*head, "p50, ms", "p95, ms", "peak, MB"), rows(loads)))
    measuring.write_json(
        options.json,
        {"at_rest": at_rest, "clients": {name: asdict(load) for name, load in loads.items()}},
    )


def visitor(url: str, folder: str, image: Path, model: str) -> Callable[[], object]:
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
