"""What the package offers under gevent's names, compared with what gevent has.

Every module, its __all__, the members of its classes, and the names that well
known programs use. What a later part of the package brings is listed as not
there yet, by name: nothing else may be missing.
"""

import importlib
import pkgutil

import grove
import pytest

#: Of each module the names of gevent's __all__, or what its documentation has.
NAMES = {
    "": """Greenlet GreenletExit Timeout config spawn spawn_later spawn_raw sleep
        idle getcurrent get_hub kill killall joinall wait iwait with_timeout
        signal_handler fork reinit getswitchinterval setswitchinterval
        __version__ version_info""",
    "greenlet": """Greenlet SpawnedLink SuccessSpawnedLink FailureSpawnedLink
        joinall killall get_hub sleep""",
    "hub": """getcurrent GreenletExit spawn_raw sleep kill signal reinit get_hub
        Hub Waiter idle iwait wait LoopExit GreenletError linkproxy get_loop
        set_loop set_hub set_default_hub_class _get_hub _get_hub_noargs
        MAIN_THREAD_IDENT get_thread_ident HubDestroyed""",
    "core": "loop callback READ WRITE get_version get_header_version time",
    "timeout": "Timeout with_timeout",
    "event": "Event AsyncResult",
    "lock": "Semaphore BoundedSemaphore DummySemaphore RLock",
    "queue": """Queue JoinableQueue SimpleQueue PriorityQueue LifoQueue
        UnboundQueue Channel Empty Full ShutDown""",
    "pool": """Group Pool PoolFull GroupMappingMixin IMap IMapUnordered
        pass_value""",
    "threadpool": "ThreadPool ThreadResult ThreadPoolExecutor _FutureProxy",
    "local": "local all_local_dicts_for_greenlet",
    "contextvars": """ContextVar Context copy_context Token""",
    "util": """format_run_info print_run_info GreenletTree wrap_errors
        assert_switches""",
    "exceptions": """LoopExit BlockingSwitchOutError InvalidSwitchError
        ConcurrentObjectUseError InvalidThreadUseError HubDestroyed""",
    "events": """subscribers EventLoopBlocked MemoryUsageThresholdExceeded
        MemoryUsageUnderThreshold PeriodicMonitorThreadStartedEvent
        GeventWillPatchModuleEvent GeventDidPatchModuleEvent
        GeventWillPatchAllEvent GeventDidPatchAllEvent
        GeventDidPatchBuiltinModulesEvent DoNotPatch
        notify_and_call_entry_points""",
    "thread": """allocate_lock get_ident exit LockType stack_size start_new_thread
        _local error TIMEOUT_MAX allocate exit_thread interrupt_main start_new
        get_native_id RLock""",
    "threading": """local _start_new_thread _allocate_lock Lock RLock get_ident
        _get_ident _sleep _DummyThread Thread Timer _set_sentinel _CRLock
        main_native_thread getcurrent""",
    "time": "sleep",
    "socket": """create_connection socket SocketType fromfd socketpair getaddrinfo
        gethostbyname gethostbyname_ex gethostbyaddr getnameinfo getfqdn
        wait_read wait_write wait_readwrite wait cancel_wait cancel_wait_ex
        timeout_default error timeout AF_INET SOCK_STREAM""",
    "ssl": "SSLContext SSLSocket get_server_certificate create_default_context",
    "select": "select poll error",
    "selectors": "DefaultSelector GeventSelector",
    "subprocess": """Popen PIPE STDOUT DEVNULL call check_call check_output run
        getoutput getstatusoutput CalledProcessError TimeoutExpired
        CompletedProcess list2cmdline""",
    "os": """fork forkpty fork_gevent forkpty_gevent fork_and_watch
        forkpty_and_watch waitpid nb_read nb_write tp_read tp_write
        make_nonblocking posix_spawn posix_spawnp""",
    "signal": "signal getsignal",
    "builtins": "",
    "fileobject": "FileObject FileObjectPosix FileObjectThread FileObjectBlock",
    "resolver": "AbstractResolver",
    "resolver.ares": "Resolver",
    "resolver.blocking": "Resolver",
    "resolver.thread": "Resolver",
    "baseserver": "BaseServer parse_address",
    "server": "StreamServer DatagramServer",
    "pywsgi": """WSGIServer WSGIHandler Input Environ SecureEnviron
        WSGISecureEnviron LoggingLogAdapter format_date_time MAX_REQUEST_LINE""",
    "backdoor": "",
    "monkey": """patch_all patch_builtins patch_contextvars patch_dns patch_item
        patch_module patch_os patch_queue patch_select patch_signal patch_socket
        patch_ssl patch_subprocess patch_sys patch_thread patch_time get_original
        saved is_module_patched is_object_patched is_anything_patched remove_item
        MonkeyPatchWarning main""",
}

#: Of classes, by "module.Class", their members.
MEMBERS = {
    "greenlet.Greenlet": """spawn spawn_later start start_later
        add_spawn_callback remove_spawn_callback dead started ready successful
        value exception exc_info get join kill throw link link_value
        link_exception rawlink unlink unlink_all has_links name minimal_ident
        spawning_greenlet spawn_tree_locals spawning_stack spawning_stack_limit
        loop gr_frame args kwargs run _raise_exception _maybe_kill_before_start
        __enter__ __exit__ __bool__""",
    "hub.Hub": """SYSTEM_ERROR NOT_ERROR threadpool_size thread_ident name
        minimal_ident main_hub loop loop_class backend exception_stream
        format_context switch switch_out run wait cancel_wait join destroy
        handle_error handle_system_error print_exception resolver_class resolver
        threadpool_class threadpool start_periodic_monitoring_thread""",
    "hub.Waiter": """clear ready successful exc_info value switch switch_args
        throw get __call__""",
    "timeout.Timeout": """start start_new pending cancel close seconds exception
        timer __enter__ __exit__ _start_new_or_dummy _on_expiration""",
    "event.Event": """is_set isSet ready set clear wait rawlink unlink hub
        linkcount""",
    "event.AsyncResult": """value exception exc_info ready successful set
        set_result set_exception get get_nowait wait result done cancel cancelled
        __call__ rawlink unlink""",
    "lock.Semaphore": """counter locked ready acquire release wait __enter__
        __exit__ rawlink unlink""",
    "lock.BoundedSemaphore": "counter acquire release",
    "lock.DummySemaphore": "locked ready acquire release wait rawlink unlink",
    "lock.RLock": """acquire release locked _is_owned _release_save
        _acquire_restore __enter__ __exit__""",
    "thread.LockType": """acquire release locked acquire_lock release_lock
        locked_lock counter rawlink wait _at_fork_reinit __enter__ __exit__""",
    "queue.SimpleQueue": """put get peek put_nowait get_nowait peek_nowait qsize
        __len__ empty full copy maxsize __iter__ __next__ __class_getitem__ _put
        _get _peek _create_queue queue hub""",
    "queue.Queue": """task_done join shutdown unfinished_tasks is_shutdown mutex
        not_empty not_full all_tasks_done queue _init _qsize""",
    "queue.Channel": """put get put_nowait get_nowait balance qsize empty full
        maxsize getters putters __iter__""",
    "pool.Group": """greenlet_class greenlets dying __len__ __contains__ __iter__
        add discard start spawn join kill killone full wait_available apply
        apply_cb apply_async map map_cb map_async imap imap_unordered""",
    "pool.Pool": "free_count full wait_available add start _semaphore",
    "threadpool.ThreadPool": """maxsize size __len__ spawn apply map imap join
        kill adjust task_queue""",
    "threadpool.ThreadPoolExecutor": "submit map shutdown",
    "threadpool._FutureProxy": "result exception add_done_callback rawlink",
    "baseserver.BaseServer": """start close stop serve_forever start_accepting
        stop_accepting set_listener set_spawn set_handle do_handle do_read
        do_close full init_socket started closed server_host server_port
        min_delay max_delay max_accept stop_timeout""",
    "pywsgi.WSGIHandler": """handle read_request read_requestline
        handle_one_request handle_one_response get_environ start_response write
        finalize_headers process_result run_application log_request
        format_request log_error handle_error""",
}


def module_of(name):
    return importlib.import_module(f"grove.{name}" if name else "grove")


def find(path):
    """The object that "module.name..." stands for, or None."""
    module, _, rest = path.partition(".")
    if module in NAMES and rest:
        thing = module_of(module)
    else:
        thing, rest = grove, path
    for name in rest.split("."):
        thing = getattr(thing, name, None)
        if thing is None:
            return None
    return thing


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    module = module_of(name)
    missing = [n for n in NAMES[name].split() if not hasattr(module, n)]
    assert missing == []
    # What it says it has is there.
    assert [n for n in getattr(module, "__all__", ()) if not hasattr(module, n)] == []


@pytest.mark.parametrize("name", MEMBERS)
def test_members(name):
    thing = find(name)
    missing = [n for n in MEMBERS[name].split() if n not in dir(thing)]
    assert missing == []


def test_every_module_is_known_here():
    ours = {
        m.name
        for m in pkgutil.iter_modules(grove.__path__)
        if not m.ispkg and m.name[0] != "_"
    }
    ours -= {"gunicorn", "serve", "stalls"}  # which are not gevent's
    assert ours <= set(NAMES), ours - set(NAMES)


@pytest.mark.parametrize(
    "name", ["event", "exceptions", "local", "lock", "pool", "queue", "threadpool"]
)
def test_public_names_belong_to_their_module(name):
    """repr and pickle show classes where programs find them."""
    module = module_of(name)
    for key in module.__all__:
        thing = getattr(module, key)
        if isinstance(thing, type) and thing.__module__.startswith("grove"):
            assert thing.__module__ == module.__name__, key
            assert thing.__name__ == key or getattr(module, thing.__name__) is thing


# ---- what programs use ---------------------------------------------------------


def test_gunicorn():
    from grove import hub, pool, pywsgi, server, socket

    assert tuple(map(int, grove.__version__.split(".")[:3])) >= (24, 10, 1)
    workers = pool.Pool(1000)
    assert workers.free_count() == workers.size == 1000
    assert callable(hub.reinit) and callable(socket.socket)
    assert {"start", "close", "stop", "max_accept"} <= set(dir(server.StreamServer))
    for name in ("log_request", "get_environ", "format_request"):
        assert callable(getattr(pywsgi.WSGIHandler, name))
    with grove.Timeout(10, False):
        pass


def test_celery_and_kombu():
    from grove import exceptions, pool, socket

    workers = pool.Pool(2)
    for grown in (workers.size + 1, workers.size):
        workers._semaphore.counter += grown - workers.size
        workers.size = grown
    assert len(workers) == 0 and workers._semaphore.counter == 2
    greenlet = type("Timer", (grove.Greenlet,), {"_run": lambda self: self.mine})()
    greenlet.mine = 5  # celery sets attributes on its greenlets
    greenlet.start_later(0)
    assert greenlet.get() == 5
    assert issubclass(exceptions.ConcurrentObjectUseError, AssertionError)
    from grove import monkey

    assert monkey.get_original("socket", "socket") is not socket.socket


def test_kombu_finds_the_socket_it_looks_for():
    """`socket.socket is gevent.socket.socket` says that gevent has patched."""
    import subprocess
    import sys

    program = (
        "import grove, grove.monkey; grove.install_as_gevent()\n"
        "import socket, gevent.socket\n"
        "assert socket.socket is not gevent.socket.socket\n"
        "grove.monkey.patch_all()\n"
        "assert socket.socket is gevent.socket.socket\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_uwsgi():
    assert grove.version_info[0] >= 1 and isinstance(grove.version_info[1], int)
    loop = grove.get_hub().loop
    for factory in ("io", "timer"):
        assert callable(getattr(loop, factory))
    timer = loop.timer(10)
    timer.start(lambda: None)
    assert timer.active
    timer.stop()
    assert callable(grove.get_hub().switch) and callable(grove.getcurrent().switch)


def test_locust():
    from grove import event, pool, queue

    def fails():
        raise KeyError("mine")

    group = pool.Group()
    for name in ("spawn", "join", "kill", "killone", "add", "__iter__"):
        assert callable(getattr(group, name))
    g = grove.Greenlet(len, "abc")
    assert g.args[0] == "abc" and not g.dead and not g.ready()
    for name in ("link_exception", "kill", "exc_info"):
        assert hasattr(g, name)
    assert queue.LifoQueue().empty() and not event.Event().is_set()


def test_flask_socketio():
    from grove import event, queue, selectors

    assert issubclass(queue.JoinableQueue, queue.Queue) and queue.Empty
    q = queue.JoinableQueue()
    q.put("x")
    assert q.get() == "x"
    q.task_done()
    assert q.join() and event.Event() and selectors.DefaultSelector


def test_those_that_wait_in_queues_and_locals():
    """grpc, pyzmq, pika, zerorpc, cassandra: the rest of what they import."""
    from grove import core, event, hub, local, lock, pool, queue, timeout

    assert core.READ == 1 and core.WRITE == 2
    assert queue.Channel and hub.Waiter and local.local and lock.RLock
    assert issubclass(type("Mine", (timeout.Timeout,), {}), grove.Timeout)
    assert timeout.Timeout.start_new(5).cancel() is None
    assert event.AsyncResult().ready() is False and len(pool.Group()) == 0


def test_tracers():
    """ddtrace replaces classes and functions; pydevd traces greenlets."""
    from grove import hub, monkey, pool
    from grove import _greenlet as greenlet

    assert issubclass(pool.IMap, pool.IMapUnordered)
    assert issubclass(pool.IMapUnordered, grove.Greenlet)
    assert callable(hub.spawn_raw) and callable(greenlet.settrace)
    assert hub.Hub.NOT_ERROR[0] is grove.GreenletExit
    assert not monkey.is_object_patched("socket", "nothing")
    assert isinstance(grove.get_hub().thread_ident, int)
