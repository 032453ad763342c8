"""Attacks a server on the loopback interface until TERM or for so many seconds, then prints an account as JSON."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import ipaddress
import json
import resource
import signal
import sys

from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.client import Account, Client, Ended

UNDER_WAY = "under way"
"""The line that is printed when each client has done at least once what its attack is about."""

SPARE_DESCRIPTORS = 50


def main() -> int:
    """0 when the attack has ended; 2 when it cannot be made."""
    options = parser().parse_args()
    host, _, port = options.address.rpartition(":")
    if not ipaddress.ip_address(host).is_loopback:
        print("hostile: only servers on the loopback interface are attacked", file=sys.stderr)
        return 2
    attacks = [ATTACKS[name] for name in options.attack]
    if options.clients is not None:
        attacks = [dataclasses.replace(attack, clients=options.clients) for attack in attacks]
    wanted = sum(attack.clients for attack in attacks)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if wanted + SPARE_DESCRIPTORS > hard:
        print(f"hostile: {wanted} clients need more descriptors than the {hard} of `ulimit -Hn`", file=sys.stderr)
        return 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    account = asyncio.run(carry_out(attacks, (host, int(port)), options.seconds))
    print(json.dumps(dataclasses.asdict(account)), flush=True)
    return 0


async def carry_out(attacks: list[Attack], address: tuple[str, int], seconds: float) -> Account:
    """All attacks at once."""
    account = Account(wanted=sum(attack.clients for attack in attacks))
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)
    tasks = [
        asyncio.create_task(attack_with(attack, Client(address, number, account, attack.receive_buffer)))
        for attack in attacks
        for number in range(attack.clients)
    ]
    tasks.append(asyncio.create_task(announce(account)))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(is_over.wait(), seconds)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return account


async def attack_with(attack: Attack, client: Client) -> None:
    """One client, which comes again whenever its connection has ended."""
    while True:
        with contextlib.suppress(Ended, OSError):
            async with client:
                await attack.script(client)
        await asyncio.sleep(attack.pause_s)


async def announce(account: Account) -> None:
    """Prints that the attack is under way once it is."""
    while account.in_place < account.wanted:
        await asyncio.sleep(0.02)
    print(UNDER_WAY, flush=True)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    wide = argparse.RawDescriptionHelpFormatter
    listed = "\n".join(f"  {attack.name:<22}{attack.does}" for attack in ATTACKS.values())
    made = argparse.ArgumentParser(
        "python -m tests.hostile", description=f"{__doc__}\n\n{listed}", formatter_class=wide
    )
    made.add_argument("attack", nargs="+", choices=ATTACKS, metavar="ATTACK", help="one of these, or several at once")
    made.add_argument("address", metavar="HOST:PORT")
    made.add_argument("--clients", type=int, help="of each attack (default: its own number)")
    made.add_argument("--seconds", type=float, default=30.0, help="at most (default 30)")
    return made


if __name__ == "__main__":
    sys.exit(main())
