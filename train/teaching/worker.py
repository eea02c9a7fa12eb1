"""`python -m train.teaching.worker`: teaches in a process of its own.

It can be killed at any moment, and nothing of it stays in the memory of the server. It waits for
the path of a folder on its standard input, so that it has imported everything when it is needed.
The folder holds `job.json` and the base in `base/`; the process writes a line of `events.jsonl`
after each step, and at last `taught/`. What came of it, or the sentence of an error, is the last
line of its standard output: that can be told on a full disk, too. Whoever closes its input, or
dies, ends it.
"""

import json
import os
import sys
import threading
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

JOB, BASE, EVENTS, TAUGHT = "job.json", "base", "events.jsonl", "taught"
READY = "ready"  # its first line on the standard output
NICE = 10  # people who segment images or paint go before, from the first import on
# Of a server that works on: the sentence of whatever nobody has foreseen.
UNFORESEEN = "The teaching failed: {}. The old checkpoint is as it was."
NO_MEMORY = (
    "The teaching needs more memory than one may have here. Teach on fewer or smaller images; the "
    "old checkpoint is as it was."
)


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(NICE)
    import sklearn.ensemble  # noqa: F401, imported before it is needed, as is `teach`
    import torch

    from .teach import teach  # noqa: F401

    torch.set_num_threads(max(1, min(2, torch.get_num_threads())))
    print(READY, flush=True)
    line = sys.stdin.readline().strip()
    if not line:
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print(json.dumps(work(Path(line))), flush=True)


def _end_with_parent() -> None:
    """Ends the process at once when the other end of its input is closed."""
    while sys.stdin.readline():
        pass
    os._exit(1)


def work(folder: Path) -> dict[str, Any]:
    """Does the job of a folder, see above; returns what came of it, or {"error": a sentence}."""
    from unet_hf.engine.memory import is_shortage
    from unet_hf.errors import UNetError

    try:
        return _teach(folder)
    except UNetError as error:
        sentence = str(error)
    except MemoryError:
        sentence = NO_MEMORY
    except OSError as error:
        sentence = UNFORESEEN.format(error.strerror or error)
    except Exception as error:
        traceback.print_exc()  # for the log of the server
        sentence = UNFORESEEN.format(f"{type(error).__name__}: {error}")
        if is_shortage(str(error)):
            sentence = NO_MEMORY
    return {"error": sentence}


def bound_memory(megabytes: int) -> None:
    """From now on whatever would need more fails, where the system can do that: on Linux."""
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    bound = megabytes * 2**20
    if most != resource.RLIM_INFINITY:
        bound = min(bound, most)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, most))


def _teach(folder: Path) -> dict[str, Any]:
    from unet_hf import UNet, read_image
    from unet_hf.hub.save import replacing, write_model

    from .student import rename_classes
    from .teach import teach

    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    bound_memory(job["megabytes"])
    painted = [(read_image(**picture["image"]), picture["strokes"]) for picture in job["pictures"]]
    with (folder / EVENTS).open("a", encoding="utf-8") as events:

        def tell(step: int, steps: int, loss: float) -> None:
            events.write(json.dumps({"step": step, "steps": steps, "loss": loss}) + "\n")
            events.flush()

        base = UNet.from_pretrained(folder / BASE)
        rename_classes(base, job["classes"], job.get("formerly", ()))
        taught = teach(
            base,
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
