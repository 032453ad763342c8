"""What nginx proxies to: it reads the requests that nginx has made of what came, and says what it has read."""

from __future__ import annotations

import asyncio
import sys

from tests.differential.echo import seen


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request on a connection: nginx speaks HTTP/1.0 here and sends every body with its length."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        lengths = [field.partition(":")[2] for field in fields if field.lower().startswith("content-length:")]
        body = await reader.readexactly(int(lengths[0])) if lengths else b""
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nX-Seen: " + seen(method, target, body) + b"\r\n\r\n")
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # nginx has given the request up
    finally:
        writer.close()


async def main(port: int) -> None:
    """Serves until it is ended."""
    server = await asyncio.start_server(answer, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
