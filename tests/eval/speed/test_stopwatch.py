"""The timer against a clock that we set."""

import eval.speed.stopwatch as room


def test_calls_are_timed_by_name_without_those_that_warm_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(room.time, "perf_counter", lambda: now[0])

    def work(seconds, answer):
        now[0] += seconds
        return answer

    timed = room.Stopwatch(warm_up=1)
    assert [timed("a", work, s, answer=s) for s in (8.0, 1.0, 2.0)] == [8.0, 1.0, 2.0]
    timed("b", work, 16.0, "b")
    assert timed.seconds() == {"a": [1.0, 2.0], "b": []}
