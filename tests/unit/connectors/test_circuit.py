"""The circuit breaker, by a clock that only the test moves."""

from __future__ import annotations

import pytest

from kept.connectors.circuit import COOL_DOWN_MAX_S, FAILURES_TO_OPEN, Circuit, CircuitState
from kept.ports import CircuitOpen


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit("erp:main", clock)


def state(circuit: Circuit) -> CircuitState:
    """Asked anew each time: the type checker takes an attribute for what it was a line before."""
    return circuit.state


def fail(circuit: Circuit, times: int = FAILURES_TO_OPEN) -> None:
    for _ in range(times):
        circuit.settle(circuit.admit(), down=True)


def test_four_failures_leave_it_closed_and_the_fifth_opens_it(circuit: Circuit) -> None:
    fail(circuit, FAILURES_TO_OPEN - 1)
    assert state(circuit) is CircuitState.CLOSED
    fail(circuit, 1)
    assert state(circuit) is CircuitState.OPEN


def test_an_answer_in_between_starts_the_count_again(circuit: Circuit) -> None:
    fail(circuit, FAILURES_TO_OPEN - 1)
    circuit.settle(circuit.admit(), down=False)
    fail(circuit, FAILURES_TO_OPEN - 1)
    assert state(circuit) is CircuitState.CLOSED


def test_open_refuses_and_says_how_long(circuit: Circuit, clock: Clock) -> None:
    fail(circuit)
    clock.now_s += 0.4
    with pytest.raises(CircuitOpen, match="erp:main") as caught:
        circuit.admit()
    assert caught.value.retry_after_s == pytest.approx(0.6)


def test_after_the_cool_down_one_probe_goes_and_the_others_wait(circuit: Circuit, clock: Clock) -> None:
    fail(circuit)
    clock.now_s += 1
    assert state(circuit) is CircuitState.HALF_OPEN
    probe = circuit.admit()
    with pytest.raises(CircuitOpen):
        circuit.admit()
    circuit.settle(probe, down=False)
    assert state(circuit) is CircuitState.CLOSED
    circuit.admit()


def test_a_failed_probe_doubles_the_cool_down_up_to_half_a_minute(circuit: Circuit, clock: Clock) -> None:
    fail(circuit)
    waits = []
    wait_s = 1.0
    for _ in range(7):
        clock.now_s += wait_s
        circuit.settle(circuit.admit(), down=True)
        with pytest.raises(CircuitOpen) as caught:
            circuit.admit()
        assert caught.value.retry_after_s is not None
        wait_s = caught.value.retry_after_s
        waits.append(wait_s)
    assert waits == [2, 4, 8, 16, COOL_DOWN_MAX_S, COOL_DOWN_MAX_S, COOL_DOWN_MAX_S]


def test_a_success_takes_the_cool_down_back_to_its_beginning(circuit: Circuit, clock: Clock) -> None:
    fail(circuit)
    clock.now_s += 1
    circuit.settle(circuit.admit(), down=True)
    clock.now_s += 2
    circuit.settle(circuit.admit(), down=False)
    fail(circuit)
    with pytest.raises(CircuitOpen) as caught:
        circuit.admit()
    assert caught.value.retry_after_s == 1


def test_late_results_of_calls_from_before_say_nothing(circuit: Circuit, clock: Clock) -> None:
    early = [circuit.admit() for _ in range(3)]
    fail(circuit)
    circuit.settle(early[0], down=False)
    assert state(circuit) is CircuitState.OPEN
    circuit.settle(early[1], down=True)
    clock.now_s += 1
    probe = circuit.admit()
    circuit.settle(early[2], down=False)
    with pytest.raises(CircuitOpen):
        circuit.admit()
    circuit.settle(probe, down=False)
    assert state(circuit) is CircuitState.CLOSED


def test_a_cancelled_probe_lets_the_next_call_probe(circuit: Circuit, clock: Clock) -> None:
    fail(circuit)
    clock.now_s += 1
    circuit.abandon(circuit.admit())
    assert circuit.admit().probe
