"""A name server for tests: all names of a zone have the address 127.0.0.1."""

import socket
import struct
import threading


class DnsServer:
    """Answers on a free UDP port of the loopback, on a thread of its own."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "%s:%d" % self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(512)
            if not question:
                return
            self._socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        name = ".".join(labels).lower()
        (kind,) = struct.unpack_from(">H", question, at + 1)
        self.asked.append(name)
        ours = name == self.zone or name.endswith("." + self.zone)
        records = b""
        if ours and kind == 1:
            records = struct.pack(">HHHIH4s", 0xC00C, 1, 1, 60, 4, bytes([127, 0, 0, 1]))
        flags = 0x8180 if ours else 0x8183
        header = question[:2] + struct.pack(">HHHHH", flags, 1, bool(records), 0, 0)
        return header + question[12 : at + 5] + records

    def close(self) -> None:
        """End the thread: an empty message tells it."""
        host, port = self.address.split(":")
        self._socket.sendto(b"", (host, int(port)))
        self._thread.join(10)
        self._socket.close()
