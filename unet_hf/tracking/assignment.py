"""The cheapest account of all objects: what is beyond doubt, then what is left, group by group."""

import numpy as np

from .costs import Accounts

MOST_STATES = 2000  # that are weighed at a time; where there are more, an integer program is faster


def cheapest(accounts: Accounts) -> np.ndarray:
    """Chooses among accounts: indices of those that hold, (c,) ascending.

    Every object before and after is in one of them at most. An object before that is in none has
    vanished, and one after that is in none is new.
    """
    source, targets = accounts.source, accounts.targets
    # What an account saves, compared with its objects vanishing and appearing.
    two = targets[:, 1] >= 0
    saved = accounts.lost[source] + accounts.new[targets[:, 0]] - accounts.costs
    saved[two] += accounts.new[targets[two, 1]]
    merged = accounts.swallowed >= 0
    saved[merged] += accounts.lost[accounts.swallowed[merged]]
    # Objects by number: those before, behind them those after, and one that is in no account.
    nothing = len(accounts.lost) + len(accounts.new)
    first, second = (len(accounts.lost) + targets).T
    swallowed = np.where(merged, accounts.swallowed, nothing)
    members = np.stack([source, swallowed, first, np.where(two, second, nothing)], 1)
    chosen = np.zeros(len(saved), bool)
    undecided = saved > 0
    while undecided.any():
        index = np.flatnonzero(undecided)
        sure = index[_beyond_doubt(saved[index], members[index], nothing)]
        if not len(sure):
            left = saved[index], members[index], nothing
            best = _weighed(*left)
            chosen[index] = _program(*left) if best is None else best
            break
        chosen[sure] = True
        taken = np.zeros(nothing + 1, bool)
        taken[members[sure]] = True
        taken[nothing] = False
        undecided[index] = ~taken[members[index]].any(1)
    return np.flatnonzero(chosen)


def _beyond_doubt(saved: np.ndarray, members: np.ndarray, nothing: int) -> np.ndarray:
    """Finds accounts that are in every cheapest choice: (k,) bool.

    One that saves more than the best rivals for each of its objects do together: wherever those
    were chosen, it would be better to take it in their place. Most of a film is decided so.
    """
    most, second = np.zeros(nothing + 1), np.zeros(nothing + 1)
    values = np.repeat(saved[:, None], members.shape[1], 1)
    np.maximum.at(most, members, values)
    is_most = values == most[members]
    np.maximum.at(second, members[~is_most], values[~is_most])
    tied = np.bincount(members[is_most], minlength=nothing + 1) > 1
    rival = np.where(is_most & ~tied[members], second[members], most[members])
    rival[members == nothing] = 0
    return saved > rival.sum(1)


def _weighed(saved: np.ndarray, members: np.ndarray, nothing: int) -> np.ndarray | None:
    """Takes accounts that save most together, with no object in two: (k,) bool.

    Object after object before, each choice among its accounts is weighed, or none of them. Of all
    choices so far that have taken the same objects, of those that later accounts want too, only
    the best one can be part of the best of all. Those who want the same objects come one after
    another, so that there are few such states; None if there are more than `MOST_STATES`.
    """
    wanted = [tuple(one for one in row if one != nothing) for row in members.tolist()]
    order = _neighbours_together(wanted)
    bits = {one: 1 << bit for bit, one in enumerate({one: 0 for row in wanted for one in row})}
    masks = [sum(bits[one] for one in row) for row in wanted]
    later, wants = [0] * len(order), 0  # what the accounts behind each of `order` want
    for step in reversed(range(len(order))):
        later[step] = wants
        for account in order[step]:
            wants |= masks[account]
    values = saved.tolist()
    # Objects that are taken -> what is saved, and how: the last account, and those before it.
    states: dict[int, tuple[float, tuple]] = {0: (0.0, ())}
    for accounts, still_wanted in zip(order, later, strict=True):
        following: dict[int, tuple[float, tuple]] = {}
        for taken, (value, how) in states.items():
            choices = [(taken & still_wanted, value, how)]
            for account in accounts:
                if not taken & masks[account]:
                    left = (taken | masks[account]) & still_wanted
                    choices.append((left, value + values[account], (account, how)))
            for left, total, way in choices:
                if left not in following or total > following[left][0]:
                    following[left] = (total, way)
        if len(following) > MOST_STATES:
            return None
        states = following
    ((_, how),) = states.values()  # no object is wanted any more
    chosen = np.zeros(len(saved), bool)
    while how:
        account, how = how
        chosen[account] = True
    return chosen


def _neighbours_together(wanted: list[tuple[int, ...]]) -> list[list[int]]:
    """Returns the accounts of each object before, in an order in which rivals are neighbours.

    wanted: The objects of each account, that before first.
    """
    of_object: dict[int, list[int]] = {}
    of_source: dict[int, list[int]] = {}
    for account, row in enumerate(wanted):
        of_source.setdefault(row[0], []).append(account)
        for one in row:
            of_object.setdefault(one, []).append(account)
    order: dict[int, None] = {}  # sources, breadth first
    for first in of_source:
        waiting = [] if first in order else [first]
        order.update(dict.fromkeys(waiting))
        for source in waiting:
            rivals = (
                wanted[rival][0]
                for account in of_source[source]
                for one in wanted[account]
                for rival in of_object[one]
            )
            for rival in rivals:
                if rival not in order:
                    order[rival] = None
                    waiting.append(rival)
    return [of_source[source] for source in order]


def _program(saved: np.ndarray, members: np.ndarray, nothing: int) -> np.ndarray:
    """Takes accounts that save most together, with no object in two: (k,) bool. By HiGHS."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    column, place = np.nonzero(members < nothing)
    names, row = np.unique(members[column, place], return_inverse=True)
    matrix = coo_array((np.ones(len(row)), (row, column)), shape=(len(names), len(saved)))
    solution = milp(
        -saved,
        integrality=np.ones(len(saved)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix.tocsr(), -np.inf, 1),
        options={"mip_rel_gap": 0},  # a share of what thousands of objects save is an object
    )
    return solution.x > 0.5
