"""The cheapest account of all objects: an integer program, which SciPy's HiGHS solves exactly."""

import numpy as np

from .costs import Accounts


def cheapest(accounts: Accounts) -> np.ndarray:
    """Chooses among accounts: indices of those that hold, (c,).

    Every object before and after is in one of them at most. An object before that is in none has
    vanished, and one after that is in none is new.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    source, targets = accounts.source, accounts.targets
    if not len(source):
        return np.zeros(0, np.int64)
    # What an account saves, compared with its objects vanishing and appearing.
    two = targets[:, 1] >= 0
    saved = accounts.lost[source] + accounts.new[targets[:, 0]] - accounts.costs
    saved[two] += accounts.new[targets[two, 1]]
    columns = np.arange(len(source))
    rows = len(accounts.lost) + targets
    row = np.concatenate([source, rows[:, 0], rows[two, 1]])
    column = np.concatenate([columns, columns, columns[two]])
    matrix = coo_array(
        (np.ones(len(row)), (row, column)),
        shape=(len(accounts.lost) + len(accounts.new), len(source)),
    )
    solution = milp(
        -saved,
        integrality=np.ones(len(source)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix.tocsr(), -np.inf, 1),
    )
    return np.flatnonzero(solution.x > 0.5)
