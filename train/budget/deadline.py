"""`Deadline`: fits a training anew if its steps turn out slower or faster than the trial steps."""

import math

from .fit import MARGIN, Costs, Fit, most_steps

# Of the budget; an end between them is no reason to change the schedule.
EARLY, LATE = 0.92, 1.08
# The first steps are not counted, as they wait for crops and take memory: so many, or fewer of a
# training that has few.
WARMED_UP, SHARE_WARMED_UP = 20, 0.1
SHARE_SEEN = 0.02  # of the budget that has passed since, before a pace is known, and ...
SURE = 0.1  # ... before a faster one than foreseen is believed
SHARE_BETWEEN = 0.005  # of the budget, between two looks at it


class Deadline:
    """Compares what a training has taken with what was foreseen, and gives it fewer or more steps.

    A machine that is busy during the trial, or during the first steps, is often free afterwards.
    """

    def __init__(self, seconds: float, costs: Costs, fit: Fit, began: float, now: float) -> None:
        """seconds: The budget. began: When the command was given; now: before the first step."""
        self.seconds, self.costs, self.fit = seconds, costs, fit
        self.began, self.looked = began, now
        self.counted: tuple[int, float] | None = None  # the step and the time that it counts from

    def steps_that_fit(self, now: float, step: int, total: int) -> int:
        """Returns the number of all steps: `total`, or another if that would end late or early.

        step: The steps that are done. The others are foreseen to be as much slower, or faster, as
        these were: a short load on the machine does not count as one that stays.
        """
        if step < min(WARMED_UP, SHARE_WARMED_UP * total):
            return total
        self.counted = self.counted or (step, now)
        first, since = self.counted
        taken = now - since
        if taken < SHARE_SEEN * self.seconds or now - self.looked < SHARE_BETWEEN * self.seconds:
            return total
        self.looked = now
        slower = taken / self._foreseen(first, step)

        def end(last: int) -> float:
            left = self._foreseen(step, last, at_end=True) + self.costs.finish
            return now - self.began + slower * left

        if EARLY * self.seconds <= end(total) <= LATE * self.seconds:
            return total
        more = most_steps(lambda more: end(step + more) <= (1 - MARGIN) * self.seconds)
        last = step + max(more, 1)
        return last if last < total or taken >= SURE * self.seconds else total

    def _foreseen(self, first: int, last: int, at_end: bool = False) -> float:
        """Seconds of the steps after `first` up to `last`, with what is done between them.

        at_end: The last one is evaluated and kept in any case.
        """
        count = math.ceil if at_end else math.floor
        shown, kept = (
            count(last / every) - first // every
            for every in (self.fit.validation_steps, self.fit.checkpointing_steps)
        )
        pace = self.costs.pace
        others = shown * self.costs.evaluation + kept * self.costs.checkpoint
        if first < self.fit.validation_steps <= last:  # it has learned a part of what it will
            others += self.costs.unlearned / 2
        return pace.seconds(last) - (pace.seconds(first) if first else 0.0) + others
