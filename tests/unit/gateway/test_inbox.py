"""The bounded queue in front of the writer."""

import threading

from gateway.inbox import Inbox


def test_first_in_first_out_in_handfuls():
    inbox = Inbox(10)
    inbox.put([1, 2, 3])
    inbox.put([4])
    assert len(inbox) == 4
    assert inbox.take(3, 0) == [1, 2, 3]
    assert inbox.take(3, 0) == [4]
    assert inbox.take(3, 0) == []


def test_a_full_inbox_blocks_until_there_is_room():
    inbox = Inbox(2)
    inbox.put([1, 2])
    done = threading.Event()
    feeder = threading.Thread(target=lambda: (inbox.put([3]), done.set()))
    feeder.start()
    assert not done.wait(0.05)
    assert inbox.take(9, 1) == [1, 2]
    assert done.wait(10)
    feeder.join()
    assert inbox.take(9, 1) == [3]


def test_taking_waits_for_the_first_item():
    inbox = Inbox(2)
    taken = []
    taker = threading.Thread(target=lambda: taken.extend(inbox.take(9, 10)))
    taker.start()
    inbox.put(["x"])
    taker.join(10)
    assert taken == ["x"]


def test_closing_wakes_both_sides_and_gives_back_what_is_left():
    inbox = Inbox(1)
    inbox.put([1])
    told = []
    feeder = threading.Thread(target=lambda: told.append(inbox.put([2])))
    feeder.start()
    assert inbox.close() == [1]
    feeder.join(10)
    assert told == [False]
    assert inbox.put([3]) is False
    assert inbox.take(1, 10) == []
