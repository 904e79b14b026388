"""Steps, epochs and the clock, counted one by one."""

from prunelab.training.step import Step


def test_a_phase_counted_step_by_step():
    at = Step(per_epoch=3).phase(2)
    seen = []
    while at.left:
        seen.append((at.clock, at.epoch, at.batch, at.last_of_epoch))
        at = at.next()
    assert seen == [(i, i // 3, i % 3, i % 3 == 2) for i in range(6)]
    assert (at.number, at.total, at.clock, at.left) == (6, 6, 6, 0)


def test_the_next_phase_begins_where_the_clock_stands():
    at = Step(per_epoch=3).phase(1).next().next()
    later = at.phase(4)
    assert (later.start, later.number, later.total, later.clock) == (2, 0, 12, 2)
    assert at.phase(0).left == 0
