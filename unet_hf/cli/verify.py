"""`python -m unet_hf verify`: does a checkpoint still do what its record says?"""

from ..evaluation.verification import verify
from .options import add_checkpoint, command_parser


def run(arguments: list[str]) -> int:
    """0 if everything is as recorded, 1 otherwise."""
    parser = command_parser(
        "verify",
        "Segments the stored sample again and holds card, configuration, weights and scores "
        "against each other. The exit status is 0 only if all of it agrees.",
    )
    add_checkpoint(parser)
    given = parser.parse_args(arguments)
    findings = verify(given.model, revision=given.revision, subfolder=given.subfolder)
    for finding in findings:
        print(f"{'ok    ' if finding.ok else 'WRONG '} {finding.text}")
    wrong = sum(not finding.ok for finding in findings)
    outcome = f"{wrong} of {len(findings)} checks failed" if wrong else "verified"
    print(f"{given.model}: {outcome}")
    return 1 if wrong else 0
