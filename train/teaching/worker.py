"""`python -m train.teaching.worker`: teaches in a process of its own.

It can be killed at any moment, and nothing of it stays in the memory of the server. It waits for
the path of a folder on its standard input, so that it has imported everything when it is needed.
The folder holds `job.json` and the base in `base/`; the process writes a line of `events.jsonl`
after each step, and at last `taught/` and `outcome.json`, or the sentence of an error. Whoever
closes its input, or dies, ends it.
"""

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

JOB, BASE, EVENTS, OUTCOME, TAUGHT = (
    "job.json", "base", "events.jsonl", "outcome.json", "taught",
)  # fmt: skip
READY = "ready"  # its first line on the standard output
NICE = 10  # people who segment images go before
# Of a server that works on: the sentence of whatever nobody has foreseen.
UNFORESEEN = "The teaching failed: {}. The old checkpoint is as it was."


def main() -> None:
    import torch

    from .teach import teach  # noqa: F401, imported before it is needed

    if hasattr(os, "nice"):
        os.nice(NICE)
    torch.set_num_threads(max(1, min(2, torch.get_num_threads())))
    print(READY, flush=True)
    line = sys.stdin.readline().strip()
    if not line:
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work(Path(line))


def _end_with_parent() -> None:
    """Ends the process at once when the other end of its input is closed."""
    while sys.stdin.readline():
        pass
    os._exit(1)


def work(folder: Path) -> None:
    """Does the job of a folder; see above."""
    from unet_hf.errors import UNetError
    from unet_hf.files import write_atomically

    try:
        outcome = _teach(folder)
    except UNetError as error:
        outcome = {"error": str(error)}
    except MemoryError:
        outcome = {"error": UNFORESEEN.format("the memory did not suffice")}
    except OSError as error:
        outcome = {"error": UNFORESEEN.format(error.strerror or error)}
    except Exception as error:
        outcome = {"error": UNFORESEEN.format(f"{type(error).__name__}: {error}")}
    text = json.dumps(outcome)
    write_atomically(folder / OUTCOME, lambda path: path.write_text(text, encoding="utf-8"))


def _teach(folder: Path) -> dict[str, Any]:
    from unet_hf import UNet, read_image
    from unet_hf.hub.save import replacing, write_model

    from .teach import teach

    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    painted = [(read_image(**picture["image"]), picture["strokes"]) for picture in job["pictures"]]
    with (folder / EVENTS).open("a", encoding="utf-8") as events:

        def tell(step: int, steps: int, loss: float) -> None:
            events.write(json.dumps({"step": step, "steps": steps, "loss": loss}) + "\n")
            events.flush()

        taught = teach(
            UNet.from_pretrained(folder / BASE),
            painted,
            seconds=job["seconds"],
            classes=job["classes"],
            colors=job["colors"],
            seed=job["seed"],
            progress=tell,
        )
    if job.get("title"):
        taught.model.config["title"] = job["title"]
    with replacing(folder / TAUGHT) as new:
        write_model(taught.model, new)
    return {
        "steps": taught.steps,
        "seconds": taught.seconds,
        "judgement": asdict(taught.judgement),
        "losses": taught.losses,
    }


if __name__ == "__main__":
    main()
