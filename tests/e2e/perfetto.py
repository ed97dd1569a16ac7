"""A trace in Perfetto's format, as protoc decodes it by perfetto.proto."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCHEMA = Path(__file__).with_name("perfetto.proto")

#: A message of protoc's text: of each field all values, in their order.
Message = dict[str, list]

MONOTONIC, ADDS_UP = 3, 64
CLEARED, NEEDED = 1, 2


def decode(path: Path) -> list[Message]:
    """The packets of the file. A field that the schema does not know has its number
    for a name there, which is refused.
    """
    if not shutil.which("protoc"):
        pytest.skip("protoc is wanted: tools/setup check installs it")
    command = ["protoc", f"--proto_path={SCHEMA.parent}", "--decode=perfetto.protos.Trace", SCHEMA.name]
    with path.open("rb") as file:
        result = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    return read_message(iter(result.stdout.splitlines()))["packet"]


def read_message(lines: Iterator[str]) -> Message:
    message: Message = defaultdict(list)
    for line in lines:
        line = line.strip()
        if line == "}":
            break
        name, is_value, text = line.partition(": ")
        if is_value:
            message[name].append(read_value(text))
        else:
            name = name.removesuffix(" {")
            message[name].append(read_message(lines))
        assert re.fullmatch("[a-z_]+", name), f"an unknown field {name}"
    return message


def read_value(text: str) -> int | str:
    if text.startswith('"'):
        octets = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
        return json.loads(octets.replace("\\'", "'")).encode("latin-1").decode()
    return int(text) if text.lstrip("-").isdigit() else text


@dataclass
class Slice:
    category: str
    name: str
    begin: int  # nanoseconds
    args: dict[str, int]
    ends_arrow: int | None
    end: int = -1


@dataclass
class Moment:
    name: str
    at: int
    args: dict[str, int]
    begins_arrow: int | None


@dataclass
class Track:
    name: str | None
    parent: int | None
    rank: int | None
    description: str | None
    slices: list[Slice] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    last: int = 0


class Sequence:
    """What the packets of a hub have in common."""

    def __init__(self, packet: Message):
        (defaults,) = packet["trace_packet_defaults"]
        assert defaults["timestamp_clock_id"] == [ADDS_UP]
        (snapshot,) = packet["clock_snapshot"]
        monotonic, own = snapshot["clocks"]
        assert (monotonic["clock_id"], own["clock_id"]) == ([MONOTONIC], [ADDS_UP])
        assert own["is_incremental"] == ["true"]
        assert own["timestamp"] == monotonic["timestamp"]
        (self.now,) = own["timestamp"]
        self.texts: dict[str, dict[int, str]] = defaultdict(dict)

    def learn(self, packet: Message) -> None:
        for data in packet["interned_data"]:
            for kind, entries in data.items():
                for entry in entries:
                    (number,), (text,) = entry["iid"], entry["name"]
                    assert number not in self.texts[kind]
                    self.texts[kind][number] = text

    def text(self, kind: str, message: Message, by_number: str, as_is: str) -> str:
        if message[as_is]:
            (text,) = message[as_is]
            return text
        (number,) = message[by_number]
        return self.texts[kind][number]

    def arg(self, message: Message) -> tuple[str, int]:
        (value,) = message["int_value"]
        return self.text("debug_annotation_names", message, "name_iid", "name"), value

    def time(self, packet: Message) -> int:
        (time,) = packet["timestamp"]
        if packet["timestamp_clock_id"]:
            assert packet["timestamp_clock_id"] == [MONOTONIC]
            return time
        self.now += time
        return self.now


class PerfettoTrace:
    """A file: its tracks by number, and of each what it did."""

    def __init__(self, path: Path):
        self.tracks: dict[int, Track] = {}
        self.sequences: dict[int, Sequence] = {}
        self.lost: set[int] = set()
        self.first: set[int] = set()
        self.pid = 0
        self.process = ""
        head, *packets = decode(path)
        (snapshot,) = head["clock_snapshot"]
        assert snapshot["primary_trace_clock"] == ["BUILTIN_CLOCK_MONOTONIC"]
        for packet in packets:
            self.take(packet)
        for track in self.tracks.values():
            assert all(s.end >= s.begin for s in track.slices), "every begin has its end"

    def take(self, packet: Message) -> None:
        number = only(packet["trusted_packet_sequence_id"])
        flags = packet["sequence_flags"]
        for track in packet["track_descriptor"]:
            self.take_track(track)
        if packet["first_packet_on_sequence"]:
            self.first.add(number)
        if packet["previous_packet_dropped"]:
            self.lost.add(number)
        if flags == [CLEARED]:
            assert number not in self.sequences
            self.sequences[number] = Sequence(packet)
        for event in packet["track_event"]:
            assert flags == [NEEDED]
            sequence = self.sequences[number]
            sequence.learn(packet)
            self.take_event(sequence, event, sequence.time(packet))

    def take_track(self, message: Message) -> None:
        (number,) = message["uuid"]
        assert number not in self.tracks
        for process in message["process"]:
            (self.pid,), (self.process,) = process["pid"], process["process_name"]
        parent = only(message["parent_uuid"])
        assert parent is None or parent in self.tracks
        name, rank = only(message["name"]), only(message["sibling_order_rank"])
        self.tracks[number] = Track(name, parent, rank, only(message["description"]))

    def take_event(self, sequence: Sequence, event: Message, time: int) -> None:
        track = self.tracks[event["track_uuid"][0]]
        assert time >= track.last, "times do not go back"
        track.last = time
        open_slice = next((s for s in track.slices[-1:] if s.end < 0), None)
        if event["type"] == ["TYPE_SLICE_END"]:
            assert open_slice
            open_slice.end = time
            return
        name = sequence.text("event_names", event, "name_iid", "name")
        category = sequence.text("event_categories", event, "category_iids", "categories")
        args = dict(sequence.arg(arg) for arg in event["debug_annotations"])
        if event["type"] == ["TYPE_SLICE_BEGIN"]:
            assert not open_slice
            arrow = number_of(only(event["terminating_flow_ids"]))
            track.slices.append(Slice(category, name, time, args, arrow))
        else:
            assert event["type"] == ["TYPE_INSTANT"] and category == name
            arrow = number_of(only(event["flow_ids"]))
            track.moments.append(Moment(name, time, args, arrow))

    def rows(self) -> dict[str, Track]:
        """The tracks of fibers and hubs' own, by name."""
        rows = [t for t in self.tracks.values() if t.parent and self.tracks[t.parent].parent]
        assert len({(t.parent, t.name) for t in rows}) == len(rows)
        return {t.name: t for t in rows}

    def hubs(self) -> list[Track]:
        """Those right below the process."""
        return [t for t in self.tracks.values() if t.parent and not self.tracks[t.parent].parent]


def only(values: list) -> int | str | None:
    """The value of a field, which is there once or not at all."""
    assert len(values) <= 1
    return values[0] if values else None


def number_of(fixed: int | str | None) -> int | None:
    """protoc shows eight bytes as hexadecimal digits in some versions."""
    return int(fixed, 16) if isinstance(fixed, str) else fixed
