"""The memory budget: who must wait, who is refused, and that nobody waits for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from gpt_image_mcp.memory import MemoryBudget
from gpt_image_mcp.pillow_errors import Oversized


def test_more_than_the_whole_budget_is_refused_with_both_figures() -> None:
    budget = MemoryBudget(10_000_000)
    with pytest.raises(Oversized, match=r"would take 11 MB .* GPT_IMAGE_MEMORY_MB allows 10"):
        budget.reserved(11_000_000).__enter__()


def test_a_thread_that_has_room_is_given_more_at_once() -> None:
    budget = MemoryBudget(10)
    with budget.reserved(10), budget.reserved(10):
        pass
    with budget.reserved(10):
        pass


def test_room_is_given_back_when_the_work_fails() -> None:
    budget = MemoryBudget(10)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.reserved(10):
            raise ZeroDivisionError


@pytest.mark.timeout(30)
def test_the_budget_is_never_exceeded_and_everybody_has_a_turn() -> None:
    budget, in_use, highest = MemoryBudget(10), [0], [0]

    def work(needed: int) -> int:
        with budget.reserved(needed):
            in_use[0] += needed
            highest[0] = max(highest[0], in_use[0])
            in_use[0] -= needed
        return needed

    needs = [number % 10 + 1 for number in range(500)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, needs)) == needs
    assert highest[0] <= 10


@pytest.mark.timeout(30)
def test_what_fits_beside_what_runs_does_not_wait() -> None:
    budget, together = MemoryBudget(10), Barrier(2, timeout=20)

    def work() -> None:
        with budget.reserved(5):
            together.wait()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work), pool.submit(work)]:
            done.result()


@pytest.mark.timeout(30)
def test_a_large_picture_has_its_turn_though_small_ones_never_end() -> None:
    budget, had_its_turn = MemoryBudget(10), Event()

    def small() -> int:
        for rounds in range(2000):
            if had_its_turn.is_set():
                return rounds
            with budget.reserved(4):
                had_its_turn.wait(0.001)
        return 2000

    def large() -> None:
        with budget.reserved(10):
            had_its_turn.set()

    with ThreadPoolExecutor(4) as pool:
        rounds = [pool.submit(small) for _ in range(3)]
        pool.submit(large).result()
    assert all(done.result() < 2000 for done in rounds)
