"""Puts the demo on a Hugging Face Space: `python -m demo.deploy org/space`.

All of it goes up in one commit, so an interrupted deploy leaves the Space as it was. A list of
what was put there lies beside it; the next deploy removes what is on that list and no longer
belongs, and leaves everything else alone.
"""

import argparse
import logging
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from unet_hf.addresses import read_repository
from unet_hf.errors import PushError, UNetError
from unet_hf.files import parse_json
from unet_hf.hub.push import WAITS, CreatedOnHub, propose_once, push_with_retries

from .contents import MANIFEST, Contents, new_files, space_contents

INTERRUPTED = 130  # what shells expect after Ctrl-C


def deploy(
    space: str,
    files: Contents,
    *,
    private: bool = False,
    create_pr: bool = False,
    overwrite: bool = False,
) -> tuple[str, bool]:
    """Makes the Space hold `files`, in one commit; makes the Space first if there is none.

    Args:
        space: "org/space".
        private: For a new Space: visible to its owner only.
        create_pr: Opens a pull request to a Space that exists; it need not be one's own.
        overwrite: Also files that lie where ours belong and that no deploy has put there.

    Returns:
        An address to look at, and whether anything had changed.

    Raises:
        PushError: Nothing was committed to the Space; the message names a Space that was made,
            and says what to do.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    space = read_repository(space, "space")
    api, made = HfApi(), CreatedOnHub()

    def put() -> tuple[str, bool]:
        if not create_pr:
            options = {"repo_type": "space", "space_sdk": "gradio", "private": private or None}
            made.create(f"the Space {space}", partial(api.create_repo, space, **options))
        head = None
        with suppress(RepositoryNotFoundError):
            head = api.space_info(space)
        if head is None:
            raise PushError(
                f"The Hub shows no Space {space}, so nobody can be asked to take a change. Check "
                "the name; without --create-pr a Space of your own is made."
            )
        if private and not head.private:
            raise PushError(
                f"{space} exists and is public; --private is for a new Space. Change that in its "
                "settings, or deploy without --private."
            )
        there = {sibling.rfilename for sibling in head.siblings or ()}
        earlier = _manifest(api, space, head.sha) if MANIFEST in there else None
        if earlier is None and not overwrite:
            _refuse_foreign(space, there & files.keys())
        stale = sorted(there & set(earlier or ()) - files.keys())
        operations: list[Any] = [CommitOperationAdd(path, files[path]) for path in sorted(files)]
        operations += [CommitOperationDelete(path) for path in stale]
        send = partial(
            api.create_commit,
            space,
            operations,
            repo_type="space",
            commit_message="The demo of unet_hf",
            create_pr=create_pr,
            parent_commit=head.sha,
        )
        commit = propose_once(send, space) if create_pr else send()
        return commit.pr_url or f"{api.endpoint}/spaces/{space}", commit.oid != head.sha

    return push_with_retries(put, space, WAITS, made=made)


def _manifest(api: HfApi, space: str, commit: str) -> list[str] | None:
    """What an earlier deploy put there; None if its list cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        path = api.hf_hub_download(
            space, MANIFEST, repo_type="space", revision=commit, local_dir=folder
        )
        try:
            listed = parse_json(Path(path).read_bytes())
        except ValueError:
            return None
    return [path for path in listed if isinstance(path, str)] if isinstance(listed, list) else None


def _refuse_foreign(space: str, taken: set[str]) -> None:
    """README.md is there in every new Space; anything else is somebody's work."""
    if foreign := sorted(taken - {"README.md"}):
        raise PushError(
            f"{space} holds another app: {', '.join(foreign[:5])} would be replaced. Choose "
            "another name, or give --overwrite."
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demo.deploy",
        description="Puts the demo on a Hugging Face Space, or updates it there, in one commit. "
        "The token is that of `hf auth login`, or HF_TOKEN.",
        allow_abbrev=False,
    )
    parser.add_argument("space", help="'org/space'; made if there is none")
    parser.add_argument("--private", action="store_true", help="a new Space: for its owner only")
    parser.add_argument("--create-pr", action="store_true", help="ask the Space's owner to take it")
    parser.add_argument("--gpu", action="store_true", help="the Space has a GPU (ZeroGPU, too)")
    parser.add_argument("--overwrite", action="store_true", help="replace another app there")
    parser.add_argument("--dry-run", action="store_true", help="list the files, send nothing")
    options = parser.parse_args(arguments)
    # The clients tell of each request, and that nothing has changed; so do we, in one line.
    for noisy in ("httpx", "httpx2", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        files = space_contents(gpu=options.gpu)
        if new := new_files():
            print(f"Not in git yet, but part of it: {', '.join(sorted(new))}")
        size = f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB"
        if options.dry_run:
            for path, content in sorted(files.items()):
                print(f"{len(content):>10,}  {path}")
            print(f"{size}. Nothing was sent.")
            return 0
        print(f"{size} to {options.space} ...", flush=True)
        address, changed = deploy(
            options.space,
            files,
            private=options.private,
            create_pr=options.create_pr,
            overwrite=options.overwrite,
        )
    except UNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: stopped; the Space is as it was.", file=sys.stderr)
        return INTERRUPTED
    print(f"{address} {'is up to date now' if changed else 'was up to date; no commit'}.")
    return 0
