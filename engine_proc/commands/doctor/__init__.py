"""`python -m engine_proc doctor`: looks at all that Hearth needs, and says what to do about what is amiss."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from engine_proc.commands.doctor.finding import Finding, bad
from engine_proc.commands.doctor.host import host_checks
from engine_proc.commands.doctor.server import server_checks
from engine_proc.settings import read_settings

MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def doctor(*, as_json: bool = False) -> int:
    """Print a line for each check, as it is done. Exit status 1 where something keeps Hearth from working."""
    findings = []
    for finding in _all():
        findings.append(finding)
        if not as_json:
            print(f"{MARKS[finding.level]}  {finding.what:14} {finding.found}", flush=True)
            if finding.advice:
                print(f"{'':20} {finding.advice}", flush=True)
    bads = sum(finding.level == "bad" for finding in findings)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        print(f"\n{'All is well.' if not bads else f'{bads} of {len(findings)} checks: Hearth does not work so.'}")
    return 1 if bads else 0


def _all() -> Iterator[Finding]:
    try:
        settings = read_settings()
        settings.client_keys()
    except ValueError as error:
        yield bad("settings", str(error), "docs/configuration.md says what each setting may be.")
        return
    yield from host_checks(settings)
    yield from server_checks(settings)
