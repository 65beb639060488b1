"""Answers that come at once are read in turn, and leave room for others between them."""

import asyncio

from backend.llm.unread import Unread


def numbers_read(faults: list, read_at_once: bool) -> tuple[list[int], int]:
    """The numbers in the order they were read, and how often others had their turn before the last."""
    read = []

    def take(number: int) -> None:
        if number == 50:
            raise ValueError("fifty")
        read.append(number)

    async def main() -> int:
        turns, unread = 0, Unread(take, lambda: None, faults.append)
        for number in range(200):
            unread.add(number)
        if read_at_once:
            unread.read_all()
            return turns
        reading = asyncio.create_task(unread.read_on())
        while len(unread):
            turns += 1
            await asyncio.sleep(0)
        reading.cancel()
        return turns

    return read, asyncio.run(main())


def test_others_have_their_turn_between_answers_and_a_fault_costs_one_alone():
    faults = []
    read, turns = numbers_read(faults, read_at_once=False)
    assert read == [number for number in range(200) if number != 50] and turns > 5
    assert [str(fault) for fault in faults] == ["fifty"]


def test_what_is_left_at_the_end_is_read_at_once():
    read, turns = numbers_read([], read_at_once=True)
    assert len(read) == 199 and turns == 0
