"""`make next-vllm VERSION=...`: whether Hearth fits a release of vLLM that is not installed.

Downloads the release's wheel (several hundred MB), reads its Python sources without running them, and compares what
`engine_proc/adapter/` and `bench/` use of vLLM with the installed one. Exit status 1: something broke; 2: no wheel.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT
from tests.next_vllm.compare import Comparison
from tests.next_vllm.package import TOP, Package
from tests.next_vllm.uses import read_uses

ROOMS = "engine_proc/adapter", "bench"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.next_vllm", description=__doc__)
    parser.add_argument("version", help="of vllm on PyPI, such as 0.33.0")
    version = parser.parse_args().version
    uses = read_uses([file for room in ROOMS for file in (PROJECT_ROOT / room).rglob("*.py")], PROJECT_ROOT)
    with tempfile.TemporaryDirectory(prefix="next-vllm-") as directory:
        findings = Comparison(_installed(), Package(_download(version, Path(directory))), uses).findings()
    for finding in findings:
        print(finding)
    broke = sum(finding.broke for finding in findings)
    print(f"vLLM {version}: {len(uses.imports)} imports, {broke} broke, {len(findings) - broke} changed")
    return 1 if broke else 0


def _installed() -> Package:
    spec = importlib.util.find_spec(TOP)
    assert spec is not None and spec.origin is not None, "vLLM is not installed"
    return Package(Path(spec.origin).parent.parent)


def _download(version: str, directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    if subprocess.run([*command, f"{TOP}=={version}", "-d", str(directory)], check=False).returncode:
        sys.exit(2)  # pip has said why
    (wheel,) = directory.glob("*.whl")
    return wheel


if __name__ == "__main__":
    sys.exit(main())
