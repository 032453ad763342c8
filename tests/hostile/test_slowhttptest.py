"""slowhttptest, the usual tool for slow attacks, in its four modes against default settings and one worker."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.hostile.yardstick import Footprint, Prober, await_that
from tests.support.server import Server
from tests.support.wire import DEADLINE_S

CONNECTIONS = 1000
LAST_S = 25
MOST_S = 90.0
"""It waits for its last connections to end."""

# slowhttptest(1): -i seconds between pieces, -r connections a second, -x bytes of a piece, -p its own probe's patience,
# -a and -b the ranges, -n and -z how often and how much is read, -w and -y the window, -k requests on a connection.
# fmt: off
MODES = {
    "slow heads": ("-H", "/", "-i", "5", "-x", "24", "-t", "GET"),
    "slow bodies": ("-B", "/read", "-i", "5", "-x", "10", "-s", "8192", "-t", "POST"),
    "many ranges": ("-R", "/large", "-a", "10", "-b", "3000", "-t", "HEAD"),
    "slow reading": ("-X", "/large", "-n", "5", "-z", "32", "-w", "512", "-y", "1024", "-k", "3"),
}
# fmt: on


@pytest.mark.long_attack
@pytest.mark.parametrize("mode", MODES)
def test_service_is_available_under_slowhttptest(mode: str) -> None:
    tool = shutil.which("slowhttptest")
    if tool is None:
        pytest.fail("slowhttptest is not installed; on Debian and Ubuntu: apt-get install slowhttptest")
    flag, path, *options = MODES[mode]
    with Server("tests.hostile.apps_hostile:app") as server:
        rested = Footprint.of(server.pid)
        command = [
            tool,
            flag,
            "-u",
            server.url(path),
            "-c",
            str(CONNECTIONS),
            "-r",
            "200",
            "-l",
            str(LAST_S),
            "-p",
            "2",
        ]
        with Prober(server.address) as prober:
            run = subprocess.run([*command, *options], capture_output=True, text=True, timeout=MOST_S, check=False)
            is_back = await_that(
                lambda: Footprint.of(server.pid).descriptors - prober.is_asking <= rested.descriptors, DEADLINE_S
            )
        said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", run.stdout + run.stderr)
        print(f"slowhttptest, {mode}: {prober}")
        assert prober.failures == [], f"{prober}\n{said[-2000:]}"
        assert "service available:   YES" in said, said[-2000:]
        assert is_back, Footprint.of(server.pid)
