"""`Deadline`: fits a training anew if its steps turn out slower or faster than the trial steps."""

import math

from .fit import MARGIN, Costs, Fit, most_steps

# Of the budget; an end between them is no reason to change the schedule.
EARLY, LATE = 0.92, 1.08
FEWEST_SEEN = 20  # steps, and ...
SHARE_SEEN = 0.02  # ... this share of the budget, before a pace is known
SHARE_BETWEEN = 0.005  # of the budget, between two looks at it


class Deadline:
    """Compares what a training has taken with what was foreseen, and gives it fewer or more steps.

    A machine that is busy during the trial, or during the first steps, is often free afterwards.
    """

    def __init__(self, seconds: float, costs: Costs, fit: Fit, began: float, now: float) -> None:
        """seconds: The budget. began: When the command was given; now: before the first step."""
        self.seconds, self.costs, self.fit = seconds, costs, fit
        self.began, self.first, self.looked = began, now, now

    def steps_that_fit(self, now: float, step: int, total: int) -> int:
        """Returns the number of all steps: `total`, or another if that would end late or early.

        step: The steps that are done. The others are foreseen to be as much slower, or faster, as
        these were: a short load on the machine does not count as one that stays.
        """
        taken = now - self.first
        if step < FEWEST_SEEN or taken < SHARE_SEEN * self.seconds:
            return total
        if now - self.looked < SHARE_BETWEEN * self.seconds:
            return total
        self.looked = now
        slower = taken / self._foreseen(0, step)

        def end(last: int) -> float:
            left = self._foreseen(step, last, at_end=True) + self.costs.finish
            return now - self.began + slower * left

        if EARLY * self.seconds <= end(total) <= LATE * self.seconds:
            return total
        more = most_steps(lambda more: end(step + more) <= (1 - MARGIN) * self.seconds)
        return step + max(more, 1)

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
