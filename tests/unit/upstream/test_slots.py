"""Who gets which connection, decided with no connection at all."""

from nagara.upstream.slots import Slots


def make_slots(connections_max: int = 2, waiting_max: int = 2) -> Slots[str, int]:
    return Slots(connections_max, waiting_max)


def fill(slots: Slots[str, int], *connections: str) -> None:
    for connection in connections:
        assert slots.take_slot()
        slots.opened(connection)


def test_no_more_are_opened_than_allowed() -> None:
    slots = make_slots()
    assert slots.take_slot()
    assert slots.take_slot()
    assert not slots.take_slot()
    slots.opened("a")
    assert not slots.take_slot()


def test_an_opening_that_failed_gives_its_slot_back() -> None:
    slots = make_slots(connections_max=1)
    assert slots.take_slot()
    assert slots.give_up_opening() is None
    assert slots.take_slot()


def test_the_idle_connection_used_last_is_taken_first() -> None:
    slots = make_slots()
    fill(slots, "a", "b")
    slots.release("b")
    slots.release("a")
    assert [slots.take_idle(), slots.take_idle(), slots.take_idle()] == ["a", "b", None]


def test_a_free_connection_goes_to_the_head_of_the_queue() -> None:
    slots = make_slots(connections_max=1)
    fill(slots, "a")
    assert slots.join_queue(1)
    assert slots.join_queue(2)
    assert not slots.join_queue(3)
    assert slots.release("a") == 1
    assert slots.idle_count == 0
    assert slots.release("a") == 2
    assert slots.release("a") is None
    assert slots.idle_count == 1


def test_who_left_the_queue_is_passed_over() -> None:
    slots = make_slots(connections_max=1)
    fill(slots, "a")
    slots.join_queue(1)
    slots.join_queue(2)
    slots.leave_queue(1)
    slots.leave_queue(1)
    assert slots.waiting_count == 1
    assert slots.release("a") == 2


def test_a_lost_connections_slot_goes_to_the_head_of_the_queue() -> None:
    slots = make_slots(connections_max=1)
    fill(slots, "a")
    slots.join_queue(1)
    assert slots.forget("a") == 1
    assert not slots.take_slot()
    assert slots.forget("a") is None
    slots.opened("b")
    assert slots.connections == {"b"}


def test_a_failed_openings_slot_goes_to_the_head_of_the_queue() -> None:
    slots = make_slots(connections_max=1)
    assert slots.take_slot()
    slots.join_queue(1)
    assert slots.give_up_opening() == 1
    assert slots.give_up_opening() is None
    assert slots.take_slot()


def test_the_idle_connection_used_longest_ago_makes_room() -> None:
    slots = make_slots()
    fill(slots, "a", "b")
    slots.release("a")
    slots.release("b")
    assert slots.replace_idle() == "a"
    assert slots.forget("a") is None
    slots.opened("c")
    assert slots.connections == {"b", "c"}
    assert make_slots().replace_idle() is None


def test_a_lost_idle_connection_is_not_taken() -> None:
    slots = make_slots()
    fill(slots, "a")
    slots.release("a")
    slots.forget("a")
    assert slots.take_idle() is None
