"""Click to overlay: `python -m benchmarks.browser` (needs requirements-dev.txt and chromium).

Starts the demo, opens it in headless Chromium, and presses "Segment" again and again on the
512 x 512 micrograph. Time is taken in the page, from the click to the overlay on the canvas.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
PRESS = """() => new Promise((done) => {
  const canvas = document.querySelector('#viewer canvas');
  const observer = new MutationObserver(() => {
    observer.disconnect();
    requestAnimationFrame(() => done(performance.now() - started));
  });
  observer.observe(canvas, { attributes: true, attributeFilter: ['data-serial'] });
  const started = performance.now();
  document.querySelector('#segment').click();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    command = [sys.executable, "-u", "app.py", "--no-browser"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        url = next(
            match.group()
            for line in server.stdout
            if (match := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page()
            page.goto(url)
            page.wait_for_selector("#viewer canvas.drawn")
            page.locator("#examples button").nth(1).click()
            page.wait_for_timeout(5000)
            times = []
            for _ in range(options.rounds):
                times.append(page.evaluate(PRESS))
                page.wait_for_timeout(500)
            browser.close()
    finally:
        server.terminate()
    print(
        f"click to overlay, unet-isbi, 512 x 512, {options.rounds} clicks: median "
        f"{statistics.median(times):.0f} ms [{min(times):.0f} .. {max(times):.0f}]"
    )


if __name__ == "__main__":
    main()
