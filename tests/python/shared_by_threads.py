"""Threads with hubs and plain threads that share a Queue, an Event, a Semaphore.

Run by test_shared_by_threads.py: argument: how many operations in all. Prints
what was lost, which is nothing, and how often hubs slept.
"""

import sys
import threading

import grove
from grove.event import Event
from grove.lock import Semaphore
from grove.queue import Queue

OPERATIONS = int(sys.argv[1])
GREENLETS = 8

# A third each: put and get; acquire and release; wait for a round's Event.
ITEMS = OPERATIONS // 6
TURNS = OPERATIONS // 36
queue: Queue = Queue(100)
semaphore = Semaphore(2)
inside = most_inside = 0
turns = 0
received: list[int] = []
errors: list[BaseException] = []


def put(first, step):
    for item in range(first, ITEMS, step):
        queue.put(item)


def get(mine):
    while (item := queue.get()) is not None:
        mine.append(item)


def take_turns(n):
    global inside, most_inside, turns
    for _ in range(n):
        with semaphore:
            inside += 1
            most_inside = max(most_inside, inside)
            turns += 1
            inside -= 1


class Rounds:
    """Everybody waits for the Event of each round; the last to come sets it."""

    def __init__(self, parties, rounds):
        self.parties, self.rounds = parties, rounds
        self.events = [Event() for _ in range(rounds)]
        self.came = [Semaphore(parties - 1) for _ in range(rounds)]

    def run(self):
        for event, last in zip(self.events, self.came):
            if last.acquire(blocking=False):
                assert event.wait(timeout=120), "an Event was lost"
            else:
                event.set()


PRODUCERS, CONSUMERS, TAKERS = 2, 2, 6
ROUNDERS = 6
rounds = Rounds(ROUNDERS, OPERATIONS // 3 // ROUNDERS)


def guarded(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:
        errors.append(error)
        raise


def with_a_hub(number):
    mine: list[int] = []
    jobs = [
        grove.spawn(guarded, take_turns, TURNS),
        grove.spawn(guarded, rounds.run),
    ]
    if number < PRODUCERS:
        jobs += [grove.spawn(guarded, put, number * 2 + k, 4) for k in range(2)]
    else:
        jobs += [grove.spawn(guarded, get, mine) for _ in range(GREENLETS)]
    grove.joinall(jobs)
    received.extend(mine)


def plain():
    guarded(take_turns, TURNS)
    guarded(rounds.run)


def main():
    hubs = [threading.Thread(target=with_a_hub, args=(i,)) for i in range(4)]
    others = [threading.Thread(target=plain) for _ in range(2)]
    for thread in hubs + others:
        thread.start()
    for thread in hubs[:PRODUCERS]:
        thread.join()
    for _ in range(2 * GREENLETS):
        queue.put(None)
    for thread in hubs + others:
        thread.join()
    assert not errors, errors
    assert sorted(received) == list(range(ITEMS)), "items were lost"
    assert turns == TAKERS * TURNS and most_inside <= 2
    assert semaphore.counter == 2
    done = 2 * ITEMS + 2 * TAKERS * TURNS + ROUNDERS * rounds.rounds
    print("operations", done)


main()
