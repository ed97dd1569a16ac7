"""Fibers in gdb, of a running process or of a core file.

    (gdb) source grove-gdb.py
    (gdb) grove fibers        every fiber: number, name, state, where it is
                              parked and for how long
    (gdb) grove bt 7          the stack of fiber 7 of the selected thread's hub
    (gdb) grove bt 7 2        of the second hub that `grove fibers` lists
    (gdb) grove bt all        of every fiber
    (gdb) grove gcore FILE    a core file as gdb's gcore writes it, with all stacks

Nothing is run in the process and nothing is changed in it. It needs the debug
information of libgrove (or of the program that it was linked into).
"""

import re
import struct
import time
from collections.abc import Iterator
from typing import BinaryIO

import gdb
import gdb.unwinder

STATES = ["new", "ready", "running", "parked", "ended"]

# The registers of a saved context, in struct context's order.
REGISTERS = {"i386:x86-64": ("rsp", "rbp", "rip"), "aarch64": ("sp", "x29", "pc")}
GREGS = {"rsp": 15, "rbp": 10, "rip": 16}  # in ucontext_t, for ucontext builds


def variable(name: str) -> gdb.Value:
    """A variable of libgrove."""
    symbol = gdb.lookup_global_symbol(name)
    if symbol is None:
        raise gdb.GdbError("there is no libgrove with debug information here")
    return symbol.value()


def hubs() -> list[gdb.Value]:
    """All hubs of the process, as struct hub."""
    first = variable("hub_list")
    found = []
    hub = first
    while int(hub) and not (found and int(hub) == int(first)):
        found.append(hub.dereference())
        hub = hub["next_hub"]
    return found


def record_address(
    at: gdb.Value, pool: gdb.Value, kind: int, shift: int, base: int
) -> int:
    """Where the record of the slot at base stands; record_of() in stack.c. at: the
    constants of its layout."""
    top = base + (1 << shift)
    if kind == int(at["hosted"]):
        top -= int(at["host_area"])
    top -= (base >> shift) % int(at["colours"]) * int(at["colour"])
    hot_offset = int(pool["hot_offset"])
    hot = top - int(pool["record_size"]) + hot_offset
    return hot - hot % int(at["line"]) - hot_offset


def slab_fibers(pool: gdb.Value, cls: gdb.Value, slab: gdb.Value):
    pointer = gdb.lookup_type("struct grove_fiber").pointer()
    shift, kind, base = int(cls["shift"]), int(cls["kind"]), int(slab["base"])
    at = variable("hub_layout")["stacks"]
    for i in range(int(slab["used"])):
        if int(slab["is_cold"][i // 64]) >> (i % 64) & 1:
            continue
        address = record_address(at, pool, kind, shift, base + (i << shift))
        fiber = gdb.Value(address).cast(pointer).dereference()
        if fiber["fiber"]["stack"]["live"]:
            yield fiber


def fibers(hub: gdb.Value):
    """The fibers of a hub: the thread's own stack first, then as they lie."""
    yield hub["root"]
    pool = hub["stacks"]
    kinds, shifts = (
        pool["classes"].type.range()[1] + 1,
        pool["classes"][0].type.range()[1] + 1,
    )
    for kind in range(kinds):
        for shift in range(shifts):
            cls = pool["classes"][kind][shift]
            slab = cls["slabs"]
            while int(slab):
                yield from slab_fibers(pool, cls, slab.dereference())
                slab = slab["next"]


def number(fiber: gdb.Value) -> int:
    return int(fiber["fiber"]["id"])


def now(hub: gdb.Value) -> int:
    """The process's time, in nanoseconds: a core's is when it last looked."""
    seen = int(hub["now"])
    live = gdb.selected_inferior().pid and "core" not in str(
        gdb.selected_inferior().connection
    )
    return max(seen, time.monotonic_ns()) if live else seen


def python_text(o: gdb.Value) -> str:
    """A str object's characters, if it is of the usual kind; else nothing."""
    ascii_type = gdb.lookup_type("PyASCIIObject")
    compact_type = gdb.lookup_type("PyCompactUnicodeObject")
    head = o.cast(ascii_type.pointer()).dereference()
    state = head["state"]
    if not int(state["compact"]):
        return ""
    kind = int(state["kind"])
    start = int(o) + (ascii_type if int(state["ascii"]) else compact_type).sizeof
    data = gdb.selected_inferior().read_memory(start, int(head["length"]) * kind)
    coding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind]
    return data.tobytes().decode(coding, "replace")


def type_name(o: gdb.Value) -> str:
    return o["ob_type"]["tp_name"].string().rpartition(".")[2]


def callable_name(fn: gdb.Value) -> str:
    """The name of a function, of a method or of a type."""
    if type_name(fn) == "method":
        method = fn.cast(gdb.lookup_type("PyMethodObject").pointer())
        fn = method["im_func"]
    kind = type_name(fn)
    if kind == "function":
        function = fn.cast(gdb.lookup_type("PyFunctionObject").pointer())
        return python_text(function["func_qualname"])
    if kind == "builtin_function_or_method":
        function = fn.cast(gdb.lookup_type("PyCFunctionObject").pointer())
        return function["m_ml"]["ml_name"].string()
    if kind == "type":
        return fn.cast(gdb.lookup_type("PyTypeObject").pointer())["tp_name"].string()
    return kind


def is_greenlet(o: gdb.Value) -> bool:
    """Whether it is a Greenlet, and no raw greenlet."""
    wanted = int(gdb.lookup_global_symbol("Greenlet_Type").value().address)
    kind = o["ob_type"]
    while int(kind) and int(kind) != wanted:
        kind = kind["tp_base"]
    return bool(int(kind))


def greenlet_name(host: gdb.Value) -> str:
    """What the Python package calls a greenlet: as python/src/describe.c."""
    green = host.cast(gdb.lookup_type("struct green").pointer())
    self = green["self"].cast(gdb.lookup_type("PyObject").pointer())
    if not is_greenlet(self):
        return callable_name(green["run"]) if int(green["run"]) else type_name(self)
    g = self.cast(gdb.lookup_type("Greenlet").pointer())
    parts = [python_text(g["name"])] if int(g["name"]) else []
    if int(g["fn"]):
        parts.append(callable_name(g["fn"]))
    text = ": ".join(parts) or type_name(self)
    return text + (f", minimal_ident {int(g['ident']) - 1}" if int(g["ident"]) else "")


def name(fiber: gdb.Value) -> str:
    """Its own, or its host's for it."""
    own = fiber["fiber"]["name"].string()
    if own or not int(fiber["host"]):
        return own
    try:
        return greenlet_name(fiber["host"])
    except (gdb.error, gdb.MemoryError, AttributeError, KeyError):
        return ""  # a package without debug information; a core without it all


def describe(hub: gdb.Value, fiber: gdb.Value) -> str:
    """The line of a fiber, as grove_dump has it."""
    state = STATES[int(fiber["state"])]
    line = f'fiber {number(fiber)} "{name(fiber)}" {state}'
    if state == "parked" and fiber["waiting"]:
        reason = fiber["reason"]
        line += f" in {reason['what'].string()}"
        if int(reason["fd"]) >= 0:
            line += f" on descriptor {int(reason['fd'])}"
        line += f" for {(now(hub) - int(reason['since'])) / 1e9:.3f} s"
    return line


class FiberUnwinder(gdb.unwinder.Unwinder):
    """Has the innermost frame called by where a parked fiber stands.

    That works without writing registers, so on core files too.
    """

    def __init__(self) -> None:
        super().__init__("grove fiber")
        self.context: gdb.Value | None = None

    def __call__(self, frame: gdb.PendingFrame) -> gdb.UnwindInfo | None:
        if self.context is None:
            return None
        context, self.context = self.context, None
        names = REGISTERS[frame.architecture().name()]
        values = saved_registers(context, names)
        here = FrameId(values[0] - gdb.Value(1), frame.read_register("pc"))
        unwound = frame.create_unwind_info(here)
        for name, value in zip(names, values):
            unwound.add_saved_register(name, value)
        return unwound


class FrameId:
    """What gdb tells frames apart by: a stack address below the fiber's."""

    def __init__(self, sp: gdb.Value, pc: gdb.Value) -> None:
        self.sp = sp
        self.pc = pc


def saved_registers(context: gdb.Value, names: tuple[str, ...]) -> list[gdb.Value]:
    word = gdb.lookup_type("unsigned long")
    fields = [field.name for field in context.type.fields()]
    if "uc" in fields:
        gregs = context["uc"]["uc_mcontext"]["gregs"]
        return [gregs[GREGS[name]].cast(word) for name in names]
    return [context[field].cast(word) for field in fields[:3]]


UNWINDER = FiberUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def backtrace(fiber: gdb.Value) -> str:
    """The stack of a fiber that does not run, innermost frame first."""
    UNWINDER.context = fiber["fiber"]["context"]
    gdb.invalidate_cached_frames()
    try:
        text = gdb.execute("backtrace", to_string=True)
    finally:
        UNWINDER.context = None
        gdb.invalidate_cached_frames()
    # The first frame is the selected thread's, from which we pretend to come.
    frames = re.split(r"^(?=#\d)", text, flags=re.M)[2:]
    return "".join(
        re.sub(r"^#\d+ *", lambda _, n=i: f"#{n:<3}", frame)
        for i, frame in enumerate(frames)
    )


class Grove(gdb.Command):
    """Fibers: grove fibers; grove bt NUMBER [HUB] | all."""

    def __init__(self) -> None:
        super().__init__("grove", gdb.COMMAND_STACK, prefix=True)


class GroveFibers(gdb.Command):
    """List all fibers of all hubs."""

    def __init__(self) -> None:
        super().__init__("grove fibers", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        for i, hub in enumerate(hubs(), 1):
            print(f"hub {i}")
            for fiber in fibers(hub):
                print(f"  {describe(hub, fiber)}")


class GroveBacktrace(gdb.Command):
    """The stack of a fiber: grove bt NUMBER [HUB], or of all: grove bt all."""

    def __init__(self) -> None:
        super().__init__("grove bt", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        words = gdb.string_to_argv(argument)
        everything = words == ["all"]
        if not everything and not (
            1 <= len(words) <= 2 and all(word.isdigit() for word in words)
        ):
            raise gdb.GdbError("usage: grove bt NUMBER [HUB], or: grove bt all")
        chosen = hubs()
        if len(words) == 2:
            if not 1 <= int(words[1]) <= len(chosen):
                raise gdb.GdbError(f"there is no hub {words[1]}: {len(chosen)} in all")
            chosen = [chosen[int(words[1]) - 1]]
        found = 0
        for hub in chosen:
            for fiber in fibers(hub):
                if everything or number(fiber) == int(words[0]):
                    self.show(hub, fiber)
                    found += 1
        if not found:
            raise gdb.GdbError(f"there is no fiber {words[0]}")

    def show(self, hub: gdb.Value, fiber: gdb.Value) -> None:
        print(describe(hub, fiber))
        if STATES[int(fiber["state"])] == "running":
            print("(runs: its stack is its thread's: `thread apply all bt`)")
        elif STATES[int(fiber["state"])] != "ended":
            print(backtrace(fiber), end="")


# gdb's gcore gives up on a mapping at the first page that it cannot read, which
# in a slab of stacks is the first guard. What it left out, it left as zeros.

PAGE = 4096
PAGE_PRESENT = 3 << 62  # of an entry of pagemap: in memory, or swapped
PT_LOAD = 1


def segments(core: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Address, offset in the file and size of what a 64-bit core holds."""
    header = struct.unpack("<16sHHIQQQIHHH", core.read(58))
    offset, size, count = header[5], header[9], header[10]
    for i in range(count):
        core.seek(offset + i * size)
        kind, _, place, address, _, length = struct.unpack("<IIQQQQ", core.read(40))
        if kind == PT_LOAD:
            yield address, place, length


def present(pagemap: BinaryIO, address: int, length: int) -> Iterator[int]:
    """The pages there that the process has."""
    at_once = 1 << 16
    for start in range(0, length // PAGE, at_once):
        n = min(at_once, length // PAGE - start)
        pagemap.seek((address // PAGE + start) * 8)
        entries = pagemap.read(n * 8)
        if any(entries):
            for i, (entry,) in enumerate(struct.iter_unpack("=Q", entries)):
                if entry & PAGE_PRESENT:
                    yield address + (start + i) * PAGE


def fill_in(path: str, pid: int) -> None:
    """Write into the core those pages of the process that it has as zeros."""
    with (
        open(path, "r+b") as core,
        open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap,
        open(f"/proc/{pid}/mem", "rb", 0) as memory,
    ):
        for address, place, length in list(segments(core)):
            for page in present(pagemap, address, length):
                core.seek(place + page - address)
                if any(core.read(PAGE)):
                    continue
                try:
                    memory.seek(page)
                    content = memory.read(PAGE)
                except OSError:
                    continue  # a guard
                core.seek(place + page - address)
                core.write(content)


class GroveCore(gdb.Command):
    """Write a core file with the stacks of all fibers: grove gcore FILE."""

    def __init__(self) -> None:
        super().__init__("grove gcore", gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

    def invoke(self, argument: str, from_tty: bool) -> None:
        words = gdb.string_to_argv(argument)
        pid = gdb.selected_inferior().pid
        if len(words) != 1:
            raise gdb.GdbError("usage: grove gcore FILE")
        if not pid:
            raise gdb.GdbError("there is no process to write a core file of")
        said = gdb.execute(f"gcore {words[0]}", to_string=True)
        fill_in(words[0], pid)
        print(said, end="")


Grove()
GroveFibers()
GroveBacktrace()
GroveCore()
