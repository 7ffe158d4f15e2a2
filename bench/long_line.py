"""A TCP proxy on this machine that delays every byte, without limiting the throughput."""

from __future__ import annotations

import asyncio
import sys

_BLOCK = 1 << 18
_QUEUED = 256  # blocks in flight


async def serve(to: int, round_trip: float) -> None:
    """
    Print the proxy's port, then serve until killed.

    :param to: the port of the server
    :param round_trip: the delay of a round trip in seconds
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to, limit=_BLOCK)
        await asyncio.gather(
            _carry(reader, far_writer, round_trip / 2),
            _carry(far_reader, writer, round_trip / 2),
            return_exceptions=True,
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=_BLOCK)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)

    async def arrive() -> None:
        while True:
            due, block = await line.get()
            await asyncio.sleep(due - loop.time())
            if not block:
                writer.close()
                return
            writer.write(block)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    try:
        while block := await reader.read(_BLOCK):
            await line.put((loop.time() + delay, block))
    finally:
        await line.put((loop.time() + delay, b""))
        await arriving


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
