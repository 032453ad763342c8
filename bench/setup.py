"""Makes the benchmarks' environment: servers, frameworks and the load client, all under ``bench/.venv``."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from harness.paths import CLIENT_SOURCE, CLIENT_TARGET, ROOT, UNPACKED, VENV

FRAMEWORKS = [
    "flask==3.1.3",
    "django==5.2.19",
    "falcon==4.4.0",
    "bottle==0.13.4",
    "msgspec==0.22.0",
    "multipart==2.0.1",
]
LAYERS = [
    "whitenoise==6.12.0", "brotli==1.2.1", "zstandard==0.25.0", "argon2-cffi==25.1.0", "itsdangerous==2.2.0",
    "limits==5.8.0", "prometheus-client==0.26.0", "PyJWT[crypto]==2.15.1", "opentelemetry-sdk==1.45.2",
    "opentelemetry-instrumentation-wsgi==0.66b2",
]  # fmt: skip
"""What `middleware.py` compares with, and what parts of the library compress with."""
PKG_RESOURCES = "setuptools<81"
"""fastwsgi's command line imports pkg_resources, which later versions no longer have."""


def main() -> int:
    """0: ready, perhaps without a peer that is named. 2: a tool is missing or our own package does not build."""
    options = _parser().parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - an older one gets here, and is to be told so
        return _refuse("the benchmarks need Python 3.11 or later (tomllib)")
    if shutil.which("taskset") is None:
        return _refuse("taskset is missing (Debian: apt-get install util-linux)")
    target = Path(options.venv).resolve() if options.venv else VENV
    python = target / "bin" / "python"
    if not python.exists():
        venv.create(target, with_pip=True)
    source = Path(options.source).resolve() if options.source else ROOT
    if options.venv is None:
        if not _build_client():
            return _refuse("the load client does not build; see the messages above")
        if not _pip(python, PKG_RESOURCES, *FRAMEWORKS, *LAYERS):
            return _refuse("the frameworks cannot be installed; see the messages above")
        _install_peers(python)
    if options.without_dragoman:
        return 0
    if not (source / "pyproject.toml").exists():
        return _refuse(f"no pyproject.toml in {source}, so dragoman itself cannot be installed")
    if not _pip(python, str(source)):
        return _refuse("dragoman does not build; see the messages above")
    return 0


def _build_client() -> bool:
    if shutil.which("cargo") is None:
        print("bench: the load client needs a Rust toolchain (https://rustup.rs)", file=sys.stderr)
        return False
    manifest = CLIENT_SOURCE / "Cargo.toml"
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(manifest)]
    return subprocess.run([*command, "--target-dir", str(CLIENT_TARGET)], check=False).returncode == 0


def _install_peers(python: Path) -> None:
    """Each peer by itself: one that cannot be had is named loudly and the others go on."""
    from harness import peers  # noqa: PLC0415 - it needs tomllib, whose absence main() explains

    for peer in peers.load().values():
        installed = peer.installed_version()
        if peer.name == peers.OURS or (installed and installed == (peer.version or installed)):
            continue
        if not (_unpack(peer.package) if peer.debian else _pip(python, peer.requirement())):
            needs = f"; it needs {peer.needs}" if peer.needs else ""
            print(f"\nMISSING: {peer.name} could not be installed and is left out{needs}\n", file=sys.stderr)


def _unpack(package: str) -> bool:
    """Unpacks a Debian package under the environment: no service starts, and no root is needed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return False
    with tempfile.TemporaryDirectory(prefix="bench-debian-") as directory:
        if subprocess.run(["apt-get", "download", "--quiet", package], cwd=directory, check=False).returncode != 0:
            return False
        archives = [str(path) for path in Path(directory).glob("*.deb")]
        unpacked = [subprocess.run(["dpkg-deb", "-x", path, str(UNPACKED)], check=False) for path in archives]
        return bool(unpacked) and all(run.returncode == 0 for run in unpacked)


def _pip(python: Path, *requirements: str) -> bool:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    # Symbols stay in the native module: the profile by function needs their names, and the code is the same.
    environ = {**os.environ, "PYTHONPATH": "", "MATURIN_STRIP": "false"}
    return subprocess.run(command, env=environ, check=False).returncode == 0


def _refuse(sentence: str) -> int:
    print(f"bench: {sentence}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/setup.py", description="Prepare the benchmarks' environment.")
    parser.add_argument("--venv", help="build dragoman alone into this environment (for run.py --old and --new)")
    parser.add_argument("--source", help="… from this source tree (default: this one)")
    parser.add_argument("--without-dragoman", action="store_true", help="only the peers and the load client")
    return parser


if __name__ == "__main__":
    sys.exit(main())
