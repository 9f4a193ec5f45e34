"""The command `doctor`: check all that Hearth needs, and say how to fix what is wrong."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain

from engine_proc.commands.doctor.finding import Finding, bad
from engine_proc.commands.doctor.host import host_checks
from engine_proc.commands.doctor.server import server_checks
from engine_proc.commands.doctor.trial import vllm_checks
from engine_proc.settings import read_settings

MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def doctor(*, as_json: bool = False) -> int:
    """Run each check and print its result. Returns the exit status: 1 if something keeps Hearth from working."""
    findings = []
    for finding in _checks():
        findings.append(finding)
        if not as_json:
            print(f"{MARKS[finding.level]}  {finding.what:14} {finding.found}", flush=True)
            if finding.advice:
                print(f"{'':20} {finding.advice}", flush=True)
    failed = sum(finding.level == "bad" for finding in findings)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        print(f"\n{failed} of {len(findings)} checks failed." if failed else "\nNo problems found.")
    return 1 if failed else 0


def _checks() -> Iterator[Finding]:
    try:
        settings = read_settings()
        settings.client_keys()
    except ValueError as error:
        yield bad("settings", str(error), "docs/configuration.md says what each setting may be.")
        return
    failed = False
    for finding in chain(host_checks(settings), server_checks(settings)):
        failed |= finding.level == "bad"
        yield finding
    if not failed:  # vLLM takes many seconds to import, and would find the same once more
        yield from vllm_checks(settings)
