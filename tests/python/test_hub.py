"""The Hub, its loop, Waiter, and what becomes of errors."""

import os
import signal
import subprocess
import sys
import threading
import time

import grove
import pytest
from awaiting import until
from grove.exceptions import (
    BlockingSwitchOutError,
    ConcurrentObjectUseError,
    InvalidSwitchError,
    InvalidThreadUseError,
    LoopExit,
)
from grove.hub import Hub, Waiter


def run(code, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", "if True:\n" + code],
        capture_output=True,
        text=True,
        timeout=60,
        **kwargs,
    )


def test_one_a_thread():
    hub = grove.get_hub()
    assert hub is grove.get_hub() and isinstance(hub, Hub)
    assert hub.parent is grove.getcurrent() and bool(hub) and not hub.dead
    assert hub.thread_ident == threading.get_ident() and hub.main_hub
    others = []
    thread = threading.Thread(target=lambda: others.append(grove.get_hub()))
    thread.start()
    thread.join()
    assert others[0] is not hub and not others[0].main_hub
    with pytest.raises(RuntimeError):
        Hub()


def test_threads_have_their_own():
    def work(out):
        gs = [grove.spawn(grove.sleep, 0.001) for _ in range(10)]
        grove.joinall(gs)
        out.append(grove.get_hub())

    out = []
    threads = [threading.Thread(target=work, args=(out,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(map(id, out))) == 4


def test_another_threads_greenlet():
    g = grove.spawn(grove.sleep, 0.05)
    seen = []

    def other():
        for f in g.join, g.get, lambda: grove.joinall([g]):
            with pytest.raises(InvalidThreadUseError):
                f()
            seen.append(1)
        g.kill(block=False)

    t = threading.Thread(target=other)
    t.start()
    t.join()
    assert len(seen) == 3
    g.join()
    assert isinstance(g.value, grove.GreenletExit)


def test_switch_out():
    hub = grove.get_hub()
    with pytest.raises(BlockingSwitchOutError):
        hub.switch_out()
    seen = []

    class Noisy(grove.Greenlet):
        def switch_out(self):
            seen.append(self)

        def _run(self):
            hub.loop.run_callback(self.switch, 5)
            return hub.switch()

    g = Noisy.spawn()
    assert g.get() == 5 and seen == [g]


def test_hub_switch():
    hub = grove.get_hub()
    me = grove.getcurrent()
    hub.loop.run_callback(me.switch, "value")
    assert hub.switch() == "value"
    hub.loop.run_callback(me.throw, KeyError)
    with pytest.raises(KeyError):
        hub.switch()


def test_loop_exit():
    hub = grove.get_hub()
    with pytest.raises(LoopExit) as caught:
        hub.switch()
    assert caught.value.args[0] == "This operation would block forever"
    assert caught.value.args[1] is hub
    assert str(caught.value).startswith("This operation would block forever\n")
    with pytest.raises(LoopExit):
        Waiter().get()
    grove.sleep(0.001)  # it goes on


def test_switched_to_while_it_waits():
    def f():
        with pytest.raises(InvalidSwitchError):
            grove.sleep(1)
        return "went on"

    g = grove.spawn(f)
    grove.sleep(0)
    grove.get_hub().loop.run_callback(g.switch, "unexpected")
    assert g.get() == "went on"


# ---- callbacks


def test_callbacks_in_order():
    loop = grove.get_hub().loop
    seen = []
    callbacks = [loop.run_callback(seen.append, i) for i in range(5)]
    assert all(callbacks) and callbacks[0].pending
    callbacks[2].stop()
    callbacks[2].stop()
    assert not callbacks[2]
    grove.sleep(0)
    assert seen == [0, 1, 3, 4]
    assert not any(callbacks)
    with pytest.raises(TypeError):
        loop.run_callback(3)
    with pytest.raises(TypeError):
        loop.run_callback()


def test_callback_that_fails(errors):
    loop = grove.get_hub().loop
    cb = loop.run_callback(lambda: 1 / 0)
    grove.sleep(0)
    assert errors[0][0] is cb and errors[0][1] is ZeroDivisionError


def test_callback_from_another_thread():
    hub = grove.get_hub()
    me = grove.getcurrent()
    idents = []

    def other():
        time.sleep(0.02)
        hub.loop.run_callback_threadsafe(
            lambda: (idents.append(threading.get_ident()), me.switch("hello"))
        )

    t = threading.Thread(target=other)
    t.start()
    guard = hub.loop.timer(60)
    guard.start(lambda: None)
    assert hub.switch() == "hello"
    assert guard.active  # it was not what ended the loop's sleep
    guard.stop()
    t.join()
    assert idents == [hub.thread_ident]
    with pytest.raises(InvalidThreadUseError):
        errors = []

        def wrong():
            try:
                hub.loop.run_callback(print)
            except BaseException as e:
                errors.append(e)

        t = threading.Thread(target=wrong)
        t.start()
        t.join()
        raise errors[0]


def test_raw_greenlet_that_fails(errors):
    def at_once():
        raise KeyError(1)

    def later():
        grove.sleep(0.001)
        raise KeyError(2)

    grove.spawn_raw(at_once)
    grove.spawn_raw(later)
    until(lambda: len(errors) == 2)
    assert [e[2].args for e in errors] == [(1,), (2,)]


def test_spawn_raw():
    seen = []
    g = grove.spawn_raw(lambda *a, **k: seen.append((a, k)), 1, b=2)
    assert not seen and not g.dead
    assert g.parent is grove.get_hub() and g.loop is grove.get_hub().loop
    grove.sleep(0)
    assert seen == [((1,), {"b": 2})] and g.dead


def test_raw_one_switched_to_before_its_turn():
    seen = []

    def switcher():
        g = grove.spawn_raw(seen.append, 1)
        grove.get_hub().loop.run_callback(grove.getcurrent().switch)
        g.switch(2)
        return g

    assert grove.spawn(switcher).get().dead
    assert seen == [2]


# ---- watchers


def test_timer():
    loop = grove.get_hub().loop
    seen = []
    timer = loop.timer(0.005)
    assert not timer.active
    timer.start(seen.append, 1)
    assert timer.active
    grove.sleep(0.02)
    assert seen == [1] and not timer.active
    timer.start(seen.append, 2)
    timer.stop()
    assert not timer.active
    grove.sleep(0.01)
    assert seen == [1]
    with loop.timer(0.001) as timer:
        timer.start(seen.append, 3)
        grove.sleep(0.01)
    assert seen == [1, 3]
    with pytest.raises(ValueError):
        timer.start(print)
    with pytest.raises(TypeError):
        loop.timer(1).start(3)


def test_timer_that_repeats():
    seen = []
    timer = grove.get_hub().loop.timer(0, 0.002)

    def tick():
        seen.append(1)
        if len(seen) == 3:
            timer.stop()

    timer.start(tick)
    until(lambda: len(seen) == 3)
    grove.sleep(0.01)
    assert len(seen) == 3


def test_hub_waits_for_a_watcher():
    hub = grove.get_hub()
    start = time.perf_counter()
    hub.wait(hub.loop.timer(0.01))
    assert time.perf_counter() - start >= 0.01


def test_cancel_wait():
    hub = grove.get_hub()
    timer = hub.loop.timer(5)

    def f():
        with pytest.raises(KeyError):
            hub.wait(timer)
        return "cancelled"

    g = grove.spawn(f)
    grove.sleep(0)
    hub.cancel_wait(timer, KeyError)
    assert g.get(timeout=60) == "cancelled"
    assert not timer.active
    hub.cancel_wait(timer, KeyError)


def test_io():
    loop = grove.get_hub().loop
    r, w = os.pipe()
    seen = []

    def on_read():
        seen.append(os.read(r, 1))

    io = loop.io(r, 1)
    io.start(on_read)
    grove.sleep(0.001)
    assert not seen and io.active
    os.write(w, b"abc")  # it is called as long as there is something
    until(lambda: len(seen) == 3)
    assert seen == [b"a", b"b", b"c"]
    io.stop()
    os.write(w, b"d")
    grove.sleep(0.01)
    assert len(seen) == 3
    events = []
    io2 = loop.io(w, 2)

    def on_write(e, x):
        events.append((e, x))
        io2.stop()

    io2.start(on_write, 7, pass_events=True)
    until(lambda: events)
    assert events == [(2, 7)]
    io.close()
    io2.close()
    with pytest.raises(ValueError):
        loop.io(-1, 1)
    with pytest.raises(ValueError):
        loop.io(r, 0)
    bad = loop.io(10**6, 1)
    with pytest.raises(OSError):
        bad.start(print)
    os.close(r)
    os.close(w)


def test_hub_waits_for_io():
    hub = grove.get_hub()
    r, w = os.pipe()
    grove.spawn_later(0.005, os.write, w, b"x")
    hub.wait(hub.loop.io(r, 1))
    assert os.read(r, 1) == b"x"
    os.close(r)
    os.close(w)


# ---- Waiter


def test_waiter():
    hub = grove.get_hub()
    waiter = Waiter()
    assert waiter.hub is hub and not waiter.ready() and not waiter.successful()
    hub.loop.run_callback(waiter.switch, "early")
    grove.sleep(0)
    assert waiter.ready() and waiter.successful()
    assert waiter.get() == waiter.get() == waiter.value == "early"
    waiter.clear()
    hub.loop.run_callback(waiter.switch, "late")
    assert waiter.get() == "late"
    waiter.clear()
    hub.loop.run_callback(waiter.switch_args, 1, 2)
    assert waiter.get() == (1, 2)


def test_waiter_throw():
    hub = grove.get_hub()
    waiter = Waiter()
    hub.loop.run_callback(waiter.throw, KeyError)
    with pytest.raises(KeyError):
        waiter.get()
    waiter.clear()
    hub.loop.run_callback(waiter.throw, KeyError("x"))
    grove.sleep(0)
    assert waiter.exc_info[0] is KeyError and not waiter.successful()
    with pytest.raises(KeyError):
        waiter.get()


def test_waiter_is_for_one():
    waiter = Waiter()
    g = grove.spawn(waiter.get)
    grove.sleep(0)
    with pytest.raises(ConcurrentObjectUseError):
        waiter.get()
    with pytest.raises(AssertionError):
        waiter.switch(1)  # not in the Hub
    grove.get_hub().loop.run_callback(waiter.switch, 3)
    assert g.get() == 3


def test_waiter_as_a_link(errors):
    waiter = Waiter()
    grove.spawn(lambda: 5).rawlink(waiter)
    assert waiter.get() == 5
    waiter.clear()
    grove.spawn(lambda: 1 / 0).rawlink(waiter)
    with pytest.raises(ZeroDivisionError):
        waiter.get()


def test_waiting_in_the_hub(errors):
    grove.get_hub().loop.run_callback(Waiter().get)
    grove.get_hub().loop.run_callback(grove.spawn(grove.sleep, 0.01).join)
    grove.sleep(0)
    assert [e[1] for e in errors] == [BlockingSwitchOutError] * 2


# ---- errors


def test_exception_stream(capsys):
    import io

    hub = grove.get_hub()
    stream = io.StringIO()
    hub.exception_stream = stream
    grove.spawn(lambda: 1 / 0).join()
    assert "ZeroDivisionError" in stream.getvalue()
    assert "failed with ZeroDivisionError\n\n" in stream.getvalue()
    hub.exception_stream = None
    grove.spawn(lambda: 1 / 0).join()
    del hub.exception_stream
    assert capsys.readouterr().err == ""


def test_not_error(capsys):
    hub = grove.get_hub()
    hub.NOT_ERROR = Hub.NOT_ERROR + (ZeroDivisionError,)
    g = grove.spawn(lambda: 1 / 0)
    g.join()
    del hub.NOT_ERROR
    assert isinstance(g.exception, ZeroDivisionError)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, SystemError])
def test_system_errors_go_to_main(error, capsys):
    def f():
        grove.sleep(0.001)
        raise error

    g = grove.spawn(f)
    with pytest.raises(error):
        grove.sleep(60)
    grove.sleep(0)
    assert isinstance(g.exception, error) and g.dead


def test_handle_error_that_fails():
    p = run(
        """
        import grove
        def broken(*args): raise KeyError
        grove.get_hub().handle_error = broken
        grove.spawn(lambda: 1 / 0).join()
        print("went on")
        """
    )
    assert p.stdout == "went on\n" and "KeyError" in p.stderr


def test_ctrl_c():
    p = run(
        """
        import os, signal, grove
        grove.spawn(grove.sleep, 10)
        grove.spawn_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        try:
            grove.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", type(grove.getcurrent()).__name__)
        """
    )
    assert p.stdout == "interrupted greenlet\n"


def test_ctrl_c_while_the_loop_sleeps():
    p = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import grove\n"
            "try:\n"
            "    print('ready', flush=True)\n"
            "    grove.sleep(60)\n"
            "except KeyboardInterrupt: print('interrupted')\n",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert p.stdout.readline() == "ready\n"
    time.sleep(0.1)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert out == "interrupted\n" and p.returncode == 0


def test_signal_handler_runs_while_the_loop_sleeps():
    sleeper = grove.spawn(grove.sleep, 60)
    old = signal.signal(signal.SIGALRM, lambda *args: sleeper.kill(block=False))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        sleeper.join()
        assert isinstance(sleeper.value, grove.GreenletExit)  # not its end
    finally:
        signal.signal(signal.SIGALRM, old)


def test_exit_from_a_greenlet():
    p = run(
        """
        import sys, grove
        grove.spawn(sys.exit, 3)
        grove.sleep(60)
        """
    )
    assert p.returncode == 3 and p.stderr == ""


def test_process_ends_with_greenlets_left():
    p = run(
        """
        import grove
        gs = [grove.spawn(grove.sleep, 10) for _ in range(10)]
        grove.spawn_raw(grove.sleep, 10)
        t = grove.Timeout.start_new(5)
        grove.get_hub().loop.timer(3).start(print)
        grove.sleep(0.01)
        grove.spawn(print, "never")
        """
    )
    assert (p.returncode, p.stdout, p.stderr) == (0, "", "")


def test_errors_are_reported_however_small_stacks_are():
    """The Hub formats them, which takes more than the smallest stack."""
    program = (
        "import grove, traceback\n"
        "def deep(n): return deep(n - 1) if n else 1 / 0\n"
        "def link(task):\n"
        "    try: deep(100)\n"
        "    except ZeroDivisionError: traceback.print_exc()\n"
        "    compile('(' * 80 + ')' * 80, 'deep', 'eval')\n"
        "    print('compiled')\n"
        "task = grove.spawn(grove.sleep, 0)\n"
        "task.rawlink(link)\n"
        "grove.sleep(0.01)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "GROVE_STACK_SIZE": "128K"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (told.stdout, told.returncode) == ("compiled\n", 0), told.stderr
    assert told.stderr.endswith("ZeroDivisionError: division by zero\n")
