"""What fails of CPython's own tests after patch_all(), and why.

{module: {test: reason}}: a test is named by the end of its id; a class, or a part
of a name that ends in "*", stands for all its tests. SKIP has those that would
wait for ever.
"""

_NATIVE_QUEUE = "it is the native queue, in which native threads wait"
_EVENT = "Event is gevent's, which has no _cond and another repr"
_MAIN = "a signal handler runs in the greenlet that is current"
_ONE_THREAD = "threads are greenlets of one native thread"

#: Not run.
SKIP = {
    "test_signal": {
        "test_stress_modifying_handlers": (
            "a thread that never waits lets no greenlet run"
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
}

#: Run, and known to fail.
FAIL = {
    "test_thread": {
        "ThreadRunningTests.test__count": _ONE_THREAD,
        "ThreadRunningTests.test_unraisable_exception": (
            "what start_new_thread's function raises goes to the hub"
        ),
    },
    "test_threading": {
        "EventTests.test_at_fork_reinit": _EVENT,
        "EventTests.test_repr": _EVENT,
        "InterruptMainTests.test_can_interrupt_tight_loops": (
            "a loop that never waits lets no greenlet run"
        ),
        "InterruptMainTests.test_interrupt_main_subthread": _MAIN,
        "MiscTestCase.test__all__": "classes of ours are of modules of ours",
        "ThreadTests.test_PyThreadState_SetAsyncExc": _ONE_THREAD,
        "ThreadTests.test_disallow_instantiation": (
            "LockType makes locks, as gevent's does"
        ),
        "ThreadTests.test_old_threading_api": "Event.isSet() does not warn",
        "ThreadTests.test_various_ops": _ONE_THREAD,
        "ThreadTests.test_various_ops_large_stack": _ONE_THREAD,
        "ThreadTests.test_various_ops_small_stack": _ONE_THREAD,
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
