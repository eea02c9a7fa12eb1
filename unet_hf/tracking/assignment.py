"""The cheapest account of all objects: what is beyond doubt, then an integer program."""

import numpy as np

from .costs import Accounts


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
            chosen[index] = _program(saved[index], members[index], nothing)
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
