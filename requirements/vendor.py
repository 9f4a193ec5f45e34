"""Fetches the libraries of the pages from npm into webapp/page/vendor: `make vendor`.

vendor.json says which: each package's version, the checksum of its archive, and the files taken from it with theirs.
The directory of a file has the version in its name, so a browser may keep the file for ever. `--pin` writes the
checksums of what npm has now into vendor.json, after a version was changed there.
"""

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

LISTED = Path(__file__).with_name("vendor.json")
VENDOR = LISTED.parent.parent / "webapp/page/vendor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pin", action="store_true", help="write the checksums instead of comparing them")
    pin = parser.parse_args().pin
    packages = json.loads(LISTED.read_text())
    with tempfile.TemporaryDirectory() as directory:
        new = Path(directory) / "vendor"
        for package in packages:
            fetch(package, Path(directory), new, pin)
        shutil.rmtree(VENDOR, ignore_errors=True)
        shutil.copytree(new, VENDOR)
    if pin:
        LISTED.write_text(json.dumps(packages, indent=2) + "\n")


def fetch(package: dict[str, Any], directory: Path, new: Path, pin: bool) -> None:
    """Write the files of `package` into `new`. Raises `SystemExit` where a checksum is another, unless `pin`."""
    name = package["package"]
    command = ["npm", "pack", "--silent", "--pack-destination", directory, name]
    packed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    archive = directory / packed.stdout.split()[-1]
    digest = hashlib.sha512(archive.read_bytes()).digest()
    compare(package, "integrity", f"sha512-{base64.b64encode(digest).decode()}", name, pin)
    with tarfile.open(archive) as members:
        for path, entry in package["files"].items():
            member = members.extractfile(f"package/{entry['from']}")
            assert member is not None, f"{entry['from']} is no file"
            content = member.read()
            compare(entry, "sha256", hashlib.sha256(content).hexdigest(), f"{entry['from']} of {name}", pin)
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(content)


def compare(entry: dict[str, Any], key: str, found: str, what: str, pin: bool) -> None:
    if pin:
        entry[key] = found
    elif entry.get(key) != found:
        sys.exit(f"vendor: {what} has the {key} {found}, but vendor.json says {entry.get(key)}")


if __name__ == "__main__":
    main()
