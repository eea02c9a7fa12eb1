"""`python -m unet_hf verify`: does a checkpoint still do what its record says?"""

import argparse

from ..evaluation.verification import verify


def run(arguments: list[str]) -> int:
    """0 if everything is as recorded, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m unet_hf verify",
        description="Segments the stored sample again and holds card, configuration, weights and "
        "scores against each other. The exit status is 0 only if all of it agrees.",
        allow_abbrev=False,
    )
    parser.add_argument("model", help="shipped name, folder or Hub id")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--subfolder", help="where in the repository it lies")
    given = parser.parse_args(arguments)
    findings = verify(given.model, revision=given.revision, subfolder=given.subfolder)
    for finding in findings:
        print(f"{'ok    ' if finding.ok else 'WRONG '} {finding.text}")
    wrong = sum(not finding.ok for finding in findings)
    outcome = f"{wrong} of {len(findings)} checks failed" if wrong else "verified"
    print(f"{given.model}: {outcome}")
    return 1 if wrong else 0
