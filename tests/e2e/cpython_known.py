"""What fails of CPython's own tests after patch_all(), with libc=True and without,
and why.

{module: {test: reason}}: a test is named by the end of its id; a class, or a part
of a name that ends in "*", stands for all its tests. SKIP has those that would
wait for ever, SLOW those that hold but take seconds: they are run by hand.
"""

_NATIVE_QUEUE = "it is the native queue, in which native threads wait"
_EVENT = "Event is gevent's, which has no _cond and another repr"
_MAIN = "a signal handler runs in the greenlet that is current"
_ONE_THREAD = "threads are greenlets of one native thread"
_NEVER_WAITS = "a loop whose selector is a mock never waits: no greenlet runs"
_NOT_PARKED = (
    "what the interpreter itself writes holds up the thread, and a greenlet is to read it"
)
_NON_BLOCKING = "descriptors of sockets are non-blocking, whatever the time-out"

#: Not run.
SKIP = {
    "test_threading": {
        "InterruptMainTests.test_can_interrupt_tight_loops": (
            "a loop that never waits lets no greenlet run: it counts to 100 million"
        ),
    },
    "test_signal": {
        "test_stress_modifying_handlers": (
            "a thread that never waits lets no greenlet run"
        ),
    },
    "test_multiprocessing_fork": {
        "test_thread_safety": "a thread that never waits lets no greenlet run",
        "WithProcessesTestPicklingConnections": (
            "the resource sharer's thread blocks all signals, and is a greenlet of a "
            "thread that has them blocked then: children of later tests do not end by one"
        ),
    },
    "test_queue": {
        "CSimpleQueueTest": _NATIVE_QUEUE,
    },
    "test_concurrent_futures": {
        "Process*": "of processes",
        "test_hang_global_shutdown_lock": (
            "tasks that never wait keep the greenlet busy that starts processes"
        ),
    },
    "test_socket": {
        "ThreadedVSOCKSocketStreamTest": (
            "a machine that is a guest need not reach itself by VSOCK; it waits for "
            "ever unpatched, too"
        ),
    },
    "test_io": {
        "test_interrupted_write_retry_*": _NOT_PARKED,
    },
    "test_asyncio": {
        "test_asyncgen_finalization_by_gc_in_other_thread": _NEVER_WAITS,
        "test_check_thread": _NEVER_WAITS,
        "test_sock_connect_resolve_using_socket_params": _NEVER_WAITS,
    },
    "test_asyncio.test_base_events": {
        "test_asyncgen_finalization_by_gc_in_other_thread": _NEVER_WAITS,
        "test_check_thread": _NEVER_WAITS,
    },
    "test_asyncio.test_selector_events": {
        "test_sock_connect_resolve_using_socket_params": _NEVER_WAITS,
    },
}

#: Run, and known to fail.
FAIL = {
    "test_thread": {
        "ThreadRunningTests.test_unraisable_exception": (
            "what start_new_thread's function raises goes to the hub"
        ),
    },
    "test_threading": {
        "EventTests.test_at_fork_reinit": _EVENT,
        "EventTests.test_repr": _EVENT,
        "InterruptMainTests.test_interrupt_main_subthread": _MAIN,
        "MiscTestCase.test__all__": "classes of ours are of modules of ours",
        "ThreadTests.test_PyThreadState_SetAsyncExc": _ONE_THREAD,
        "ThreadTests.test_disallow_instantiation": (
            "LockType makes locks, as gevent's does"
        ),
        "ThreadTests.test_old_threading_api": "Event.isSet() does not warn",
        "test_various_ops*": _ONE_THREAD,
    },
    "test_threadsignals": {
        "ThreadSignals.test_signals": _MAIN,
    },
    "test_time": {
        "TimeTestCase.test_sleep": "a negative time is none, as gevent's sleep has it",
    },
    "test_io": {
        "test_slow_close_from_thread": (
            "the lock of a buffered file belongs to the thread, which greenlets share"
        ),
    },
    "test_select": {
        "test_disallow_instantiation": "poll is a class, as gevent's is",
    },
    "test_poll": {
        "test_threaded_poll": "several greenlets may wait in one poll",
    },
    "test_socket": {
        "testRefCountGetNameInfo": (
            "a function in Python is in the traceback, with its arguments"
        ),
        "test_SocketType_is_socketobject": "SocketType is gevent's: socket itself",
        "testSetBlocking": _NON_BLOCKING,
        "test_SOCK_NONBLOCK": _NON_BLOCKING,
        "test_create_connection_timeout": (
            "create_connection makes sockets of the package, whatever stands in "
            "the module socket"
        ),
    },
}

_SHELL = "a shell that says something every second"
_ALARM = "signals that come after a second"

#: Run by hand.
SLOW = {
    "test_poll": {
        "test_poll2": _SHELL,
    },
    "test_selectors": {
        "test_select_interrupt*": _ALARM,
    },
}


def is_of(test: str, known: str) -> bool:
    """Whether the id of a test is meant by an entry of cpython_known.py."""
    parts = test.split(".")
    if known.endswith("*"):
        return any(part.startswith(known[:-1]) for part in parts)
    wanted = known.split(".")
    return any(
        parts[at : at + len(wanted)] == wanted for at in range(len(parts))
    )
