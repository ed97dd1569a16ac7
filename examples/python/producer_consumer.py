"""Raw greenlets: two functions that hand values to each other by switch().

    python3 -m grove producer_consumer.py
"""

import argparse

from greenlet import greenlet


def produce(count: int) -> None:
    for number in range(1, count + 1):
        print("produce", number)
        consumer.switch(number)


def consume(number: int) -> None:
    while True:
        print("consume", number)
        number = producer.switch()


argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()

producer = greenlet(produce)
consumer = greenlet(consume)
producer.switch(3)
