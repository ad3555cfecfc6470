"""A wire that can be cut: stopped (SIGSTOP), it swallows everything; killed, it resets every connection."""

import asyncio

from agents.servers import HOST
from tests.torture.worker import die_with_parent

PIECE = 256 * 1024


def forward(port: int, to: int) -> None:
    """Carry every connection to *port* on to *to*, until killed."""
    die_with_parent()
    asyncio.run(_serve(port, to))


async def _serve(port: int, to: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(HOST, to)
        except OSError:  # as if nobody listened: the broker is down
            writer.transport.abort()
            return
        await asyncio.gather(_carry(reader, back), _carry(there, writer))

    async with await asyncio.start_server(connected, HOST, port):
        await asyncio.Event().wait()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()  # so is the other side
    finally:
        writer.close()
