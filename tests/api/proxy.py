"""A proxy between the server and what it depends on, that breaks the connection in chosen ways.

    with Proxy(("127.0.0.1", 6379)) as proxy:     # or the path of a Unix socket
        proxy.set(DOWN, Delay(0.05))              # answers come late; UP: requests; BOTH
        proxy.set(BOTH, Swallow())                # a peer that is gone without a word: half-open
        proxy.cut()                               # all connections, now
        proxy.refuse()                            # nobody listens; accept(): again

Behaviours hold for connections that are there and for those to come, from the moment that set() returns.
One thread runs all of it."""

import asyncio
import dataclasses
import pathlib
import random
import socket
import struct
import threading

UP, DOWN, BOTH = "up", "down", "both"
PIECE_BYTES = 65536
WAITING_PIECES = 64
READY_S = 20


class Behaviour:
    pass


class Pass(Behaviour):
    """Everything goes through."""


@dataclasses.dataclass(frozen=True)
class Delay(Behaviour):
    seconds: float


class Hold(Behaviour):
    """Nothing goes on, nothing is lost: as a network that comes back."""


class Swallow(Behaviour):
    """Taken and never passed on. A connection that lost something so never passes anything again."""


@dataclasses.dataclass(frozen=True)
class Drip(Behaviour):
    """So many bytes at a time."""

    pause_s: float
    size: int = 1


@dataclasses.dataclass(frozen=True)
class Garble(Behaviour):
    """Other bytes in place of these, one in so many."""

    seed: int
    one_in: int = 1


@dataclasses.dataclass(frozen=True)
class CutAfter(Behaviour):
    """Each connection ends after so many further bytes."""

    size: int


def reset(writer):
    """Ends it as a process that is killed with unread data does."""
    peer = writer.get_extra_info("socket")
    if not writer.transport.is_closing() and peer.family != socket.AF_UNIX:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Connection:
    def __init__(self, proxy, client, upstream):
        self.proxy = proxy
        self.ends = {UP: (client[0], upstream[1]), DOWN: (upstream[0], client[1])}

    async def run(self):
        tasks = [asyncio.ensure_future(Pump(self, direction).run()) for direction in (UP, DOWN)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.cut()

    def cut(self):
        for _, writer in self.ends.values():
            reset(writer)


class Pump:
    """One direction of one connection."""

    def __init__(self, connection, direction):
        self.connection, self.proxy, self.direction = connection, connection.proxy, direction
        self.reader, self.writer = connection.ends[direction]
        self.pieces = asyncio.Queue(WAITING_PIECES)
        self.lost = False
        self.passed = 0
        self.cut_at = {}  # by behaviour: an equal one given later is another
        self.random = None

    async def run(self):
        taking = asyncio.ensure_future(self.take())
        try:
            await self.give()
        finally:
            taking.cancel()

    async def take(self):
        while True:
            try:
                piece = await self.reader.read(PIECE_BYTES)
            except OSError:
                piece = b""
            await self.pieces.put((asyncio.get_running_loop().time(), piece))
            if not piece:
                return

    async def give(self):
        while True:
            arrived, piece = await self.pieces.get()
            if not piece:
                if self.lost:
                    await asyncio.Event().wait()
                self.connection.cut()
                return
            while piece:
                piece = await self.pass_on(arrived, piece)

    async def pass_on(self, arrived, piece):
        """What is left of it."""
        behaviour = self.proxy.behaviours[self.direction]
        if isinstance(behaviour, Swallow) or self.lost:
            self.lost = True
            return b""
        if isinstance(behaviour, Hold):
            await self.proxy.changed()
            return piece
        if isinstance(behaviour, Delay):
            left = arrived + behaviour.seconds - asyncio.get_running_loop().time()
            if left > 0 and await self.proxy.changed(left):
                return piece
        size = len(piece)
        if isinstance(behaviour, Drip):
            if await self.proxy.changed(behaviour.pause_s):
                return piece
            size = behaviour.size
        if isinstance(behaviour, CutAfter):
            end = self.cut_at.setdefault(id(behaviour), self.passed + behaviour.size)
            size = min(size, end - self.passed)
        await self.write(self.garbled(behaviour, piece[:size]))
        if isinstance(behaviour, CutAfter) and self.passed >= end:
            self.connection.cut()
            raise ConnectionResetError
        return piece[size:]

    def garbled(self, behaviour, piece):
        if not isinstance(behaviour, Garble):
            return piece
        self.random = self.random or random.Random(f"{behaviour.seed} {self.proxy.accepted}")
        return bytes(self.random.randrange(256) if self.random.randrange(behaviour.one_in) == 0
                     else byte for byte in piece)

    async def write(self, piece):
        self.writer.write(piece)
        self.passed += len(piece)
        self.proxy.bytes[self.direction] += len(piece)
        await self.writer.drain()


class Proxy:
    def __init__(self, upstream, path=None):
        """`upstream`: (host, port), or the path of a Unix socket. `path`: listens there, not on a port."""
        self.upstream, self.path = upstream, path
        self.port = None
        self.behaviours = {UP: Pass(), DOWN: Pass()}
        self.bytes = {UP: 0, DOWN: 0}  # passed on
        self.accepted = 0
        self.connections = set()
        self.tasks = set()
        self.listener = None
        self.loop = asyncio.new_event_loop()
        self.change = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.accept()
        return self

    def __exit__(self, *_):
        self.do(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(READY_S)

    async def end(self):
        if self.listener:
            self.listener.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def changed(self, timeout_s=None):
        """Whether set() was called meanwhile."""
        try:
            await asyncio.wait_for(self.change.wait(), timeout_s)
            return True
        except asyncio.TimeoutError:
            return False

    def set(self, direction, behaviour):
        async def apply():
            for one in (UP, DOWN) if direction == BOTH else (direction,):
                self.behaviours[one] = behaviour
            self.change.set()
            self.change = asyncio.Event()
        self.do(apply())

    def heal(self):
        self.set(BOTH, Pass())

    def inject(self, direction, data):
        """Bytes that the other side never sent."""
        async def write():
            for connection in self.connections:
                connection.ends[direction][1].write(data)
        self.do(write())

    def cut(self):
        async def apply():
            for connection in list(self.connections):
                connection.cut()
        self.do(apply())

    def refuse(self):
        """No more listening; connections that are there stay."""
        async def apply():
            self.listener.close()
            self.listener = None
            if self.path:
                pathlib.Path(self.path).unlink(missing_ok=True)
        self.do(apply())

    def accept(self):
        async def apply():
            if self.path:
                self.listener = await asyncio.start_unix_server(self.serve, self.path)
            else:
                self.listener = await asyncio.start_server(self.serve, "127.0.0.1", self.port or 0)
                self.port = self.listener.sockets[0].getsockname()[1]
        self.do(apply())

    async def serve(self, reader, writer):
        self.accepted += 1
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            if isinstance(self.upstream, tuple):
                upstream = await asyncio.open_connection(*self.upstream)
            else:
                upstream = await asyncio.open_unix_connection(str(self.upstream))
        except OSError:
            reset(writer)
            self.tasks.discard(task)
            return
        connection = Connection(self, (reader, writer), upstream)
        self.connections.add(connection)
        try:
            await connection.run()
        except asyncio.CancelledError:
            pass
        finally:
            self.connections.discard(connection)
            self.tasks.discard(task)
