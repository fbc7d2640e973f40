"""HTTP/1.1 by hand, for what a well-behaved client never sends."""

import socket

import httpx


class Closed(Exception):
    """The server ended the connection before an answer was complete."""


class Answer:
    def __init__(self, version, status, headers, body):
        self.version = version
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"Answer({self.status}, {self.headers}, {self.body[:200]!r})"


def request(method, target, body=None, headers=(), version="HTTP/1.1", host="localhost"):
    lines = [f"{method} {target} {version}"]
    if host:
        lines.append(f"Host: {host}")
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Connection:
    def __init__(self, port, timeout=20, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def fill(self):
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            raise Closed(self.buffer)
        self.buffer += piece

    def read_line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def read_exactly(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_chunks(self):
        body = b""
        while size := int(self.read_line().split(";")[0], 16):
            body += self.read_exactly(size)
            assert self.read_line() == ""
        while self.read_line():
            pass
        return body

    def receive(self, method="GET"):
        """The next answer. Without a length it ends where the connection does."""
        version, status, _ = (self.read_line() + " ").split(" ", 2)
        headers = []
        while line := self.read_line():
            name, value = line.split(":", 1)
            headers.append((name, value.strip()))
        headers = httpx.Headers(headers)
        status = int(status)
        if method == "HEAD" or status < 200 or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self.read_chunks()
        elif "content-length" in headers:
            body = self.read_exactly(int(headers["content-length"]))
        else:
            body = self.read_to_end()
        return Answer(version, status, headers, body)

    def read_to_end(self):
        try:
            while True:
                self.fill()
        except Closed:
            data, self.buffer = self.buffer, b""
            return data

    def assert_closed(self):
        assert self.read_to_end() == b""

    def call(self, *args, **options):
        self.send(request(*args, **options))
        return self.receive(args[0])
