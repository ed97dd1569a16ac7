"""Which of CPython's own tests are run: the modules, and how many tests of each at
least.
"""

#: After patch_all(), whenever the tests are run; those that take longest first.
PATCHED = {
    "test_threading": 150,
    "test_socket": 650,
    "test_subprocess": 300,
    "test_selectors": 90,
    "test_ssl": 160,
    "test_concurrent_futures": 60,
    "test_signal": 40,
    "test_ftplib": 90,
    "test_queue": 40,
    "test_asyncio.test_streams": 60,
    "test_asyncio.test_sock_lowlevel": 35,
    "test_asyncio.test_base_events": 100,
    "test_asyncio.test_unix_events": 110,
    "test_asyncio.test_selector_events": 100,
    "test_asyncio.test_runners": 20,
    "test_asyncio.test_server": 3,
    "test_asyncio.test_threads": 6,
    "test_httplib": 110,
    "test_smtplib": 75,
    "test_select": 6,
    "test_poll": 6,
    "test_epoll": 10,
    "test_thread": 20,
    "test_threading_local": 20,
}

#: By hand.
PATCHED_MORE = {
    "test_asyncio.test_tasks": 900,
    "test_asyncio.test_events": 240,
    "test_asyncio.test_futures": 150,
    "test_asyncio.test_subprocess": 140,
    "test_asyncio.test_ssl": 20,
    "test_asyncio.test_sendfile": 55,
    "test_asyncio.test_taskgroups": 30,
    "test_asyncio.test_sslproto": 30,
    "test_asyncio.test_waitfor": 15,
    "test_asyncio.test_proactor_events": 75,
    "test_asyncio.test_locks": 70,
    "test_asyncio.test_queues": 40,
    "test_asyncio.test_timeouts": 20,
    "test_asyncio.test_pep492": 10,
    "test_asyncio.test_transports": 7,
    "test_asyncio.test_protocols": 5,
    "test_asyncio.test_futures2": 3,
    "test_asyncio.test_buffered_proto": 2,
    "test_asyncio.test_context": 1,
}

#: What a program that waits may use, where its threads are fibers or its calls of
#: libc are patched: those that take seconds, and, by hand, the others.
WAITING = {
    "test_threading": 185,
    "test_ssl": 180,
    "test_queue": 50,
    "test_ftplib": 90,
    "test_threadsignals": 6,
    "test_urllib2_localnet": 20,
    "test_time": 55,
    "test_smtplib": 75,
    "test_httplib": 110,
    "test_select": 6,
    "test_poll": 6,
    "test_epoll": 10,
    "test_thread": 20,
    "test_threading_local": 20,
    "test_contextlib": 80,
    "test_sched": 10,
}
WAITING_MORE = {
    "test_concurrent_futures": 240,
    "test_asyncio": 2300,
    "test_multiprocessing_fork": 370,
    "test_signal": 50,
    "test_subprocess": 300,
    "test_io": 620,
    "test_socket": 700,
    "test_logging": 210,
    "test_selectors": 110,
    "_test_eintr": 20,
    "test_timeout": 0,
}

#: test_threading is run after patch_all() anyway, and test_eintr has its tests run by
#: another process, since they want one that has no other thread. Of some modules there
#: are fewer tests, since they wait in native threads, or are of processes.
LIBC = {name: n for name, n in WAITING.items() if name != "test_threading"} | {
    "test_queue": 40,
}
LIBC_MORE = {name: n for name, n in WAITING_MORE.items() if name != "_test_eintr"} | {
    "test_threading": 185,
    "test_concurrent_futures": 60,
    "test_eintr": 1,
}
