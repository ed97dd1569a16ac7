"""hub.loop and its watchers: factories, attributes, errors, what they tell of."""

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref

import grove
import grove.socket
import pytest
from awaiting import HANG, until
from grove import core
from grove.event import Event
from grove.exceptions import ConcurrentObjectUseError, InvalidThreadUseError


@pytest.fixture
def loop():
    return grove.get_hub().loop


SILENT, _OTHER_END = os.pipe()

MAKERS = {
    "io": lambda loop: loop.io(SILENT, 1),
    "timer": lambda loop: loop.timer(10),
    "signal": lambda loop: loop.signal(signal.SIGUSR2),
    "idle": lambda loop: loop.idle(),
    "prepare": lambda loop: loop.prepare(),
    "check": lambda loop: loop.check(),
    "fork": lambda loop: loop.fork(),
    "async_": lambda loop: loop.async_(),
    "child": lambda loop: loop.child(os.getppid()),
    "stat": lambda loop: loop.stat("/"),
}


@pytest.fixture(params=MAKERS)
def watcher(request, loop):
    watcher = MAKERS[request.param](loop)
    yield watcher
    watcher.close()


def test_attributes(watcher, loop):
    assert isinstance(watcher, core.watcher) and watcher.loop is loop
    assert watcher.ref is True and watcher.priority == 0
    assert watcher.callback is None and watcher.args is None
    assert not watcher.active and not watcher.pending
    watcher.priority = 1
    watcher.start(print, 1, 2)
    assert watcher.active and watcher.callback is print and watcher.args == (1, 2)
    assert "active" in repr(watcher) and "print" in repr(watcher)
    with pytest.raises(AttributeError):
        watcher.priority = 2
    watcher.callback = len
    watcher.args = None
    assert watcher.active and watcher.args is None
    watcher.args = (3,)
    assert watcher.callback is len and watcher.args == (3,)
    with pytest.raises(TypeError):
        watcher.args = 3
    with pytest.raises(TypeError):
        watcher.callback = 3
    watcher.stop()
    assert not watcher.active and watcher.callback is None


def test_a_callback_must_be_callable(watcher):
    for bad in (None, 3):
        with pytest.raises(TypeError, match="callable"):
            watcher.start(bad)
    with pytest.raises(TypeError):
        watcher.start()
    assert not watcher.active


def test_a_closed_one_cannot_be_started(watcher):
    with watcher:
        pass
    with pytest.raises(ValueError, match="closed"):
        watcher.start(print)


def test_ref_decides_whether_the_loop_goes_on(watcher, loop):
    hub = grove.get_hub()
    assert hub.join(timeout=60) is True
    count = loop.activecnt
    watcher.start(lambda: None)
    grove.sleep(0)
    watcher.ref = False
    assert watcher.ref is False
    # A loop that is never idle has no end; that of an idle watcher is not.
    if type(watcher) is not core.idle:
        assert hub.join(timeout=60) is True
    watcher.ref = True
    assert hub.join(timeout=0.001) is False
    watcher.close()
    assert hub.join(timeout=60) is True and loop.activecnt == count


def test_join_of_no_time_gives_a_turn(loop):
    done = []
    loop.run_callback(done.append, 1)
    assert grove.get_hub().join(timeout=0) is True and done == [1]


def test_of_another_thread(watcher):
    caught = []

    def use():
        try:
            watcher.start(print)
        except InvalidThreadUseError as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_feed(watcher):
    fed = []
    watcher.feed(core.TIMER, fed.append, "fed")
    assert watcher.pending
    grove.sleep(0)
    assert fed[0] == "fed"


def test_wrong_arguments(loop):
    for make in (
        lambda: loop.io(-1, 1),
        lambda: loop.io(0, 0),
        lambda: loop.io(0, 4),
        lambda: loop.timer(1, repeat=-1),
        lambda: loop.timer(1, repeat=float("nan")),
        lambda: loop.signal(0),
        lambda: loop.signal(1000),
        lambda: loop.child(-1),
    ):
        with pytest.raises(ValueError):
            make()
    for make in (
        lambda: loop.io("x", 1),
        lambda: loop.timer("x"),
        lambda: loop.stat(3.5),
        lambda: loop.signal(),
        lambda: core.timer(3, 1),
        lambda: loop.timer(1).start(print, wrong=1),
        lambda: loop.io(0, 1).start(print, wrong=1),
    ):
        with pytest.raises(TypeError):
            make()


def test_io_attributes(loop):
    r, w = os.pipe()
    watcher = loop.io(r, core.READ)
    assert (watcher.fd, watcher.events, watcher.events_str) == (r, 1, "READ")
    watcher.fd, watcher.events = w, core.WRITE
    came = []
    watcher.start(lambda *args: (came.append(args), watcher.stop()), pass_events=True)
    with pytest.raises(AttributeError):
        watcher.fd = r
    until(lambda: came)
    assert came == [(core.WRITE,)]
    with pytest.raises(ValueError):
        watcher.events = 0
    watcher.close()
    os.close(r)
    os.close(w)


def test_timer_again(loop):
    fired = []
    timer = loop.timer(100, 0.001)
    assert timer.at == 100
    timer.again(fired.append, 1)
    assert timer.at < loop.now() + 1
    while len(fired) < 2:
        grove.sleep(0.001)
    timer.close()
    once = loop.timer(0.001)
    once.again(fired.append, 2)  # no repeat: it stops
    assert not once.active


def test_idle_comes_after_all_that_is_due(loop):
    order = []
    idle = loop.idle()
    loop.run_callback(order.append, 1)
    idle.start(lambda: (order.append("idle"), idle.stop()))
    grove.spawn(order.append, 2)
    grove.sleep(0)
    grove.spawn(order.append, 3)
    until(lambda: "idle" in order)
    assert order == [1, 2, 3, "idle"]
    grove.idle()
    grove.idle(priority=1)


def test_prepare_and_check_surround_sleeps(loop):
    order = []
    prepare, check = loop.prepare(), loop.check()
    prepare.start(order.append, "prepare")
    check.start(order.append, "check")
    grove.sleep(0.005)
    grove.sleep(0.005)
    prepare.close()
    check.close()
    assert order[:4] == ["prepare", "check"] * 2


def test_prepare_is_called_in_a_busy_loop(loop):
    prepared = []
    prepare = loop.prepare()
    prepare.start(prepared.append, 1)
    busy = grove.spawn(lambda: [grove.sleep(0) for _ in range(50)])
    busy.join()
    prepare.close()
    assert len(prepared) > 10


def test_async_from_another_thread(loop):
    came = Event()
    watcher = loop.async_()
    watcher.start(came.set)
    thread = threading.Thread(target=lambda: [watcher.send() for _ in range(5)])
    thread.start()
    assert came.wait()  # the watcher keeps the loop going
    thread.join()
    watcher.send_ignoring_arg("link")
    assert watcher.pending
    watcher.close()
    assert getattr(loop, "async")(ref=False).ref is False


def test_signal(loop):
    came = []
    watchers = [loop.signal(signal.SIGUSR2) for _ in range(2)]
    for i, watcher in enumerate(watchers):
        watcher.start(came.append, i)
    os.kill(os.getpid(), signal.SIGUSR2)
    while len(came) < 2:
        grove.sleep(0.001)
    assert came == [0, 1]
    before = signal.getsignal(signal.SIGUSR2)
    for watcher in watchers:
        watcher.close()
    assert signal.getsignal(signal.SIGUSR2) == before == signal.SIG_DFL
    with pytest.raises(OSError):
        loop.signal(signal.SIGKILL).start(print)


def test_signal_handler_runs_in_a_greenlet():
    came, where = [], []

    def handler(*args, **kwargs):
        where.append(grove.getcurrent())
        grove.sleep(0)  # it may wait
        came.append((args, kwargs))

    handling = grove.signal_handler(signal.SIGUSR2, handler, 1, two=2)
    assert handling.ref is False
    os.kill(os.getpid(), signal.SIGUSR2)
    while not came:
        grove.sleep(0.001)
    handling.cancel()
    assert came == [((1,), {"two": 2})] and isinstance(where[0], grove.Greenlet)
    with pytest.raises(TypeError, match="3"):
        grove.signal_handler(signal.SIGUSR2, 3)
    with pytest.raises(ValueError):
        grove.signal_handler(1000, print)
    from grove import hub

    assert hub.signal is grove.signal_handler


def test_signal_handler_that_fails(capsys):

    def fails():
        raise ValueError("in the handler")

    handling = grove.signal_handler(signal.SIGUSR2, fails)
    os.kill(os.getpid(), signal.SIGUSR2)
    # It has no greenlet that somebody would look after: so it is main's.
    with pytest.raises(ValueError, match="in the handler"):
        grove.sleep(10)
    handling.cancel()
    assert "in the handler" in capsys.readouterr().err


def test_child(loop):
    ended = Event()
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    watcher = loop.child(child.pid, ref=False)
    assert watcher.pid == child.pid and watcher.rpid == 0
    watcher.start(ended.set)
    assert ended.wait(timeout=60)
    assert watcher.rpid == child.pid
    assert os.waitstatus_to_exitcode(watcher.rstatus) == 3
    watcher.close()
    child.returncode = 3


def test_child_that_has_ended_already(loop):
    ended = Event()
    pid = os.fork()
    if pid == 0:
        os._exit(4)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with loop.child(pid) as watcher:
        watcher.start(ended.set)
        assert ended.wait(timeout=60)
        assert os.waitstatus_to_exitcode(watcher.rstatus) == 4


def test_any_child(loop):
    ended = []
    pids = []
    with loop.child(0) as watcher:
        watcher.start(lambda: ended.append(watcher.rpid))
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            pids.append(pid)
        with grove.Timeout(60):
            while len(ended) < 3:
                grove.sleep(0.001)
    assert sorted(ended) == sorted(pids)


def ended_child(code):
    """A child that has ended and was not reaped."""
    pid = os.fork()
    if pid == 0:
        os._exit(code)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def statuses(watchers):
    return [(w.rpid, os.waitstatus_to_exitcode(w.rstatus)) for w in watchers]


def fired(watchers, come):
    """The greenlets of the hub run until come has one for each of watchers."""
    until(lambda: len(come) == len(watchers))
    return statuses(watchers)


@pytest.mark.parametrize("when", ["before", "after"])
def test_watchers_of_one_child_all_get_its_status(loop, when):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read, 1)
        os._exit(6)
    if when == "after":
        os.write(write, b"x")
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    watchers = [loop.child(pid), loop.child(pid), loop.child(0), loop.child(pid)]
    come = []
    for watcher in watchers:
        watcher.start(come.append, watcher)
    os.write(write, b"x")
    until(lambda: len(come) == 4)
    assert sorted(map(id, come)) == sorted(map(id, watchers))
    assert statuses(watchers) == [(pid, 6)] * 4
    for watcher in watchers:
        watcher.close()
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("how", ["waitpid", "waitid", "subprocess"])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_status_that_the_program_takes_is_told(loop, how, in_thread):
    from grove import os as ours
    from grove import subprocess as our_subprocess

    child = our_subprocess.Popen(["sh", "-c", "read line; exit 7"], stdin=-1)
    come = []
    watcher = loop.child(child.pid)
    watcher.start(come.append, watcher)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    take = {
        "waitpid": lambda: ours.waitpid(child.pid, 0),
        "waitid": lambda: ours.waitid(os.P_PID, child.pid, os.WEXITED),
        "subprocess": child.poll,
    }[how]
    if in_thread:
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    else:
        take()
    assert fired([watcher], come) == [(child.pid, 7)]
    watcher.close()
    child.returncode = 7


def test_no_status_is_made_up(loop):
    """Nobody knows that of a child that was reaped behind the watcher's back."""
    pid = ended_child(5)
    os.waitpid(pid, 0)
    come = []
    with loop.child(pid, ref=False) as watcher:
        watcher.start(come.append, watcher)
        child = subprocess.Popen(["true"])
        with loop.child(child.pid) as other:
            other.start(come.append, other)
            until(lambda: come)
        child.returncode = 0
        assert come == [other] and (watcher.rpid, watcher.rstatus) == (0, 0)


def test_child_only_on_the_default_loop():
    caught = []

    def use():
        try:
            grove.get_hub().loop.child(1)
        except TypeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "default loop" in caught[0]


def test_stat(loop, tmp_path):
    path = tmp_path / "file"
    changed = Event()
    with loop.stat(str(path), 100.0) as watcher:
        assert watcher.path == str(path) and watcher.interval == 100.0
        watcher.start(changed.set)
        assert watcher.attr is None
        path.write_text("one")
        assert changed.wait(timeout=60)
        assert watcher.prev is None and watcher.attr is not None
        changed.clear()
        with open(path, "a") as file:
            file.write(" and more")
        assert changed.wait(timeout=60)
        while watcher.attr.st_size < 12:
            assert changed.wait(timeout=60)
            changed.clear()
        changed.clear()
        path.unlink()
        while watcher.attr is not None:
            assert changed.wait(timeout=60)
            changed.clear()
        assert watcher.prev.st_size == 12


def test_fork(loop):
    program = (
        "import os, grove\n"
        "told = []\n"
        "watcher = grove.get_hub().loop.fork()\n"
        "watcher.start(told.append, 'told')\n"
        "if os.fork() == 0:\n"
        "    grove.sleep(0)\n"
        "    os._exit(0 if told == ['told'] else 1)\n"
        "grove.sleep(0)\n"
        "status = os.wait()[1]\n"
        "assert not told\n"
        "raise SystemExit(os.waitstatus_to_exitcode(status))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# ---- the loop


def test_loop_attributes(loop):
    assert (loop.MAXPRI, loop.MINPRI, loop.CALLBACK_CHECK_COUNT) == (2, -2, 50)
    assert loop.default is True and loop.backend == "epoll"
    assert loop.backend_int == core.BACKEND_EPOLL
    assert loop.WatcherType is core.watcher
    assert loop.depth == 0 and isinstance(loop.ptr, int)
    assert loop.approx_timer_resolution > 0
    assert loop.starting_timer_may_update_loop_time is True
    assert isinstance(loop.origflags, list) and loop.origflags_int == 0
    assert loop.sig_pending == 0 and loop.iteration >= 0
    assert loop.fileno() >= 0 and loop.verify() is None
    assert "epoll default" in loop._format() and "epoll" in repr(loop)
    depths = []
    grove.sleep(0)  # what others have left to be run is
    pending = loop.pendingcnt
    loop.run_callback(lambda: depths.append(loop.depth))
    assert loop.pendingcnt == pending + 1
    loop.run(nowait=True)
    assert depths == [1] and loop.pendingcnt == 0
    for nothing in ("update", "update_now", "reinit", "install_sigchld"):
        getattr(loop, nothing)()
    loop.reset_sigchld()
    assert core.loop() is loop


def test_loop_ref_and_unref(loop):
    hub = grove.get_hub()
    loop.ref()
    assert hub.join(timeout=0.001) is False
    loop.unref()
    assert hub.join(timeout=0) is True


def test_loop_run(loop):
    done = []
    loop.timer(0.001).start(done.append, 1)
    loop.run()
    assert done == [1]
    loop.timer(0.001).start(done.append, 2)
    loop.run(once=True)


def test_loop_break(loop):
    with loop.timer(100) as timer:
        timer.start(print)
        loop.break_()
        with pytest.raises(grove.hub.LoopExit):
            Event().wait(timeout=50)


def test_callbacks(loop):
    states = []
    callback = loop.run_callback(lambda *a: states.append((bool(callback), callback.pending, a)), 1)
    assert callback and callback.pending and callback.args == (1,)
    grove.sleep(0)
    # True while it runs, though it is not pending any more.
    assert states == [(True, False, (1,))]
    assert not callback and callback.callback is None and callback.args is None
    stopped = loop.run_callback(states.append, 2)
    stopped.stop()
    stopped.close()
    grove.sleep(0)
    assert len(states) == 1 and not stopped.pending
    with pytest.raises(TypeError, match="3"):
        loop.run_callback(3)
    with pytest.raises(TypeError):
        loop.run_callback()


def test_error_handler(loop, capsys):

    class Handler:
        def handle_error(self, *args):
            handled.append(args)

    handled = []
    loop.error_handler = Handler()
    loop.handle_error("context", ValueError, ValueError("x"), None)
    loop.error_handler = None
    loop.handle_error("context", ValueError, ValueError("to the hub"), None)
    assert handled[0][0] == "context"
    assert "to the hub" in capsys.readouterr().err


def test_closing_fd(loop):
    r, w = os.pipe()
    waiter = grove.spawn(grove.socket.wait_read, r)
    grove.sleep(0)
    assert loop.closing_fd(r) is True and loop.closing_fd(r) is False
    waiter.join()
    assert isinstance(waiter.exception, OSError)
    os.close(r)
    os.close(w)


def test_no_args_while_it_is_active(loop):
    called = []
    with loop.timer(0) as timer:
        timer.start(lambda *args: called.append(args), 1)
        timer.args = None
        grove.sleep(0.001)
        assert called == [()] and timer.args is None


def test_flags_of_a_loop(loop):
    for flags in None, 1, "epoll", "select,noenv", ["epoll", "noinotify"]:
        assert core.loop(flags) is core.loop(flags=flags) is loop
    for flags in "nosuch", "epoll,nosuch", ["nosuch"]:
        with pytest.raises(ValueError, match="Invalid backend or flag"):
            core.loop(flags, default=False)


# ---- loop(default=False)


@pytest.fixture
def own():
    own = core.loop(default=False)
    yield own
    own.destroy()


def test_a_loop_of_its_own(loop, own):
    assert core.loop() is core.loop(default=True) is loop
    assert own is not loop and not own.default and own.ptr != loop.ptr
    assert own.fileno() not in (loop.fileno(), core.loop(default=False).fileno())
    assert "default" not in repr(own)
    with pytest.raises(TypeError, match="default loop"):
        own.child(1)
    with pytest.raises(ValueError, match="no Hub runs"):
        grove.get_hub().loop = own


def test_its_watchers_are_called_by_run_only(loop, own):
    order = []
    timer = own.timer(0)
    timer.start(order.append, "timer")
    own.run_callback(order.append, "callback")
    grove.sleep(0.01)
    assert order == [] and own.activecnt == 1 and own.pendingcnt == 2
    assert grove.get_hub().join(0) is True  # they do not keep the hub going
    g = grove.spawn(order.append, "greenlet")
    own.run()
    assert sorted(order) == ["callback", "timer"] and not timer.active
    assert own.activecnt == own.pendingcnt == own.depth == 0 and own.iteration > 0
    g.join()


def test_run_ends_when_nothing_is_left(own):
    ticks = []
    timer = own.timer(0.001, 0.001)
    idle_forever = own.timer(100, ref=False)
    idle_forever.start(ticks.append, "never")

    def tick():
        ticks.append(own.depth)
        if len(ticks) == 3:
            timer.stop()

    timer.start(tick)
    other = grove.spawn(grove.sleep, 0)
    own.run()
    assert ticks == [1, 1, 1] and other.ready()
    own.run()


def test_run_once_and_nowait_and_break(own):
    order = []
    first, second = own.timer(0.001), own.timer(100)
    first.start(order.append, 1)
    second.start(order.append, 2)
    own.run(nowait=True)
    assert order == []
    own.run(once=True)
    assert order == [1]
    first.start(own.break_)
    own.run()
    assert order == [1] and second.active


def test_every_kind_of_watcher_of_its_own_loop(own):
    called = []

    def note(watcher, name):
        called.append(name)
        watcher.stop()

    r, w = os.pipe()
    os.write(w, b"x")
    made = {name: getattr(own, name)() for name in ("idle", "prepare", "check")}
    made["async_"] = own.async_()
    made["io"] = own.io(r, 1)
    made["timer"] = own.timer(0.001)
    made["signal"] = own.signal(signal.SIGUSR1)
    for name, watcher in made.items():
        watcher.start(note, watcher, name)
    thread = threading.Thread(target=made["async_"].send)
    thread.start()
    os.kill(os.getpid(), signal.SIGUSR1)
    with grove.Timeout(60):
        own.run()
    thread.join()
    assert sorted(called) == sorted(made)
    os.close(r)
    os.close(w)


def test_callbacks_of_another_thread(own):
    keep, called = own.async_(), []
    keep.start(lambda: None)

    def callback():
        called.append(threading.get_ident())
        keep.stop()

    thread = threading.Thread(target=own.run_callback_threadsafe, args=(callback,))
    grove.get_hub().loop.run_callback(thread.start)
    with grove.Timeout(60):
        own.run()
    thread.join()
    assert called == [threading.get_ident()]


def test_errors_of_its_own_loop(own, capsys):
    class Handler:
        def handle_error(self, *args):
            handled.append(args)

    handled = []
    timer = own.timer(0)
    timer.start(lambda: 1 / 0)
    own.run_callback(lambda: 1 / 0)
    own.run()
    assert capsys.readouterr().err.count("ZeroDivisionError: ") == 2
    own.error_handler = Handler()
    timer.start(lambda: 1 / 0)
    own.run()
    ((context, kind, error, tb),) = handled
    assert context is timer and kind is ZeroDivisionError and tb is not None


def test_a_run_in_a_timer_that_fires_once_ends(own):
    """It has fired: it is no reason to go on any more, unless it is begun anew."""
    seen = []
    timer = own.timer(0)

    def nested():
        seen.append((timer.active, timer.pending, own.activecnt))
        if len(seen) == 1:
            timer.start(nested)
            assert timer.active and own.activecnt == 1
        own.run()

    timer.start(nested)
    with grove.Timeout(HANG):
        own.run()
    assert seen == [(False, False, 0)] * 2
    assert not timer.active and own.activecnt == 0


def test_a_timer_that_fires_once_changes_ref_in_its_callback(own):
    timer = own.timer(0)

    def change():
        timer.ref = False
        timer.ref = True
        assert own.activecnt == 0

    timer.start(change)
    own.run()
    assert own.activecnt == 0 and not timer.active


@pytest.mark.parametrize("thread", [False, True])
def test_a_run_calls_what_was_sent_to_it_before(own, thread):
    called = []
    send = lambda: own.run_callback_threadsafe(called.append, 1)  # noqa: E731
    if thread:
        sender = threading.Thread(target=send)
        sender.start()
        sender.join()
    else:
        send()
    own.run()
    assert called == [1] and own.activecnt == 0


class Handler:
    """An error_handler, and what it was told."""

    def __init__(self):
        self.handled = []

    def handle_error(self, *args):
        self.handled.append(args)


@pytest.mark.parametrize("queue", ["run_callback", "run_callback_threadsafe"])
@pytest.mark.parametrize("whose", ["own", "hub"])
def test_the_error_handler_hears_of_callbacks(loop, own, queue, whose):
    which = own if whose == "own" else loop
    which.error_handler = handler = Handler()
    try:
        callback = getattr(which, queue)(lambda: 1 / 0)
        until(lambda: own.run(nowait=True) or handler.handled)
    finally:
        which.error_handler = None
    ((context, kind, error, tb),) = handler.handled
    assert context is callback
    assert kind is type(error) is ZeroDivisionError and tb is not None


@pytest.mark.parametrize("queue", ["run_callback", "run_callback_threadsafe"])
def test_what_is_due_on_its_own_loop_ends_with_the_thread(queue):
    class Argument:
        pass

    loops, arguments, called = [], weakref.WeakSet(), []

    def thread():
        own = core.loop(default=False)
        loops.append(own)
        for _ in range(3):
            argument = Argument()
            arguments.add(argument)
            getattr(own, queue)(called.append, argument)
        if queue == "run_callback_threadsafe":
            grove.sleep(0.001)  # they arrive

    ends = threading.Thread(target=thread)
    ends.start()
    ends.join()
    assert len(arguments) == 0 and called == []
    assert loops[0].pendingcnt == 0


def test_one_greenlet_runs_a_loop(own):
    timer = own.timer(100)
    timer.start(print)
    first = grove.spawn(own.run)
    grove.sleep(0)
    with pytest.raises(ConcurrentObjectUseError):
        own.run()
    timer.stop()
    first.join()
    nested = []
    own.run_callback(lambda: (nested.append(own.depth), own.run()))
    own.run_callback(lambda: nested.append(own.depth))
    own.run()
    assert nested == [1, 2] and own.depth == 0


def test_a_destroyed_loop_leaves_the_hub_alone(loop):
    own, other = core.loop(default=False), loop.timer(0.001)
    called = []
    timer = own.timer(100)
    timer.start(called.append, 1)
    own.run_callback(called.append, 2)
    runner = grove.spawn(own.run)
    grove.sleep(0)
    own.destroy()
    runner.join()
    assert called == [2] and not timer.active and "destroyed" in repr(own)
    for use in (own.run, own.fileno, lambda: own.timer(0), lambda: own.run_callback(len)):
        with pytest.raises(ValueError, match="destroyed"):
            use()
    other.start(called.append, 3)
    grove.get_hub().join()
    assert called == [2, 3]


def test_a_loop_that_is_dropped_is_freed():
    own = core.loop(default=False)
    own.run_callback(print)
    fd = own.fileno()
    del own
    with pytest.raises(OSError):
        os.fstat(fd)


def test_a_loop_that_its_callbacks_refer_to_is_freed():
    class Argument:
        pass

    argument, own = Argument(), core.loop(default=False)
    argument.loop = own
    kept = own.run_callback(print, argument)
    own.run_callback(own.break_)
    gone = weakref.ref(argument)
    del argument, own
    gc.collect()
    assert gone() is not None and kept.pending  # one can stop it yet
    del kept
    gc.collect()
    assert gone() is None


def test_core_names():
    assert core.READ | core.WRITE == core.READWRITE == core.EVENTS == 3
    assert core.supported_backends() == core.recommended_backends() == ["epoll"]
    assert core.embeddable_backends() == []
    assert core.get_version() == core.get_header_version()
    core.set_syserr_cb(None)
    with pytest.raises(TypeError):
        core.set_syserr_cb(3)
    assert core.time() > 1e9


def test_interfaces():
    pytest.importorskip(
        "zope.interface",
        reason="what the interfaces promise is checked by zope.interface: "
        "apt-get install python3-zope.interface",
    )
    from grove.private.interfaces import ICallback, ILoop, IWatcher
    from zope.interface.verify import verifyObject

    loop = grove.get_hub().loop
    assert ILoop.providedBy(loop) and verifyObject(ILoop, loop)
    assert IWatcher.providedBy(loop.timer(1))
    callback = loop.run_callback(lambda: None)
    assert verifyObject(ICallback, callback)
