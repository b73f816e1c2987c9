"""Names to contenders: budgets of ours, OpenCV's trackers, the static box."""

from eval.peers import OPENCV
from eval.runner import Contender, Ours
from tracker import Tracker
from tracker.errors import BudgetError, SourceError

DEFAULT = "default"
RANDOM = "random depth"


def make_contender(name: str, tracker: Tracker) -> Contender:
    """`default`, any budget, or a name in OPENCV; ours share the tracker that is given.

    Raises:
        SourceError: nobody has that name.
    """
    if name in OPENCV:
        return OPENCV[name]()
    budget = None if name == DEFAULT else name
    try:
        tracker.budget = budget
    except BudgetError as error:
        known = ", ".join(known_contenders(tracker))
        raise SourceError(f"contender: got {name!r} ({error}); known: {known}, or any budget") from error
    return Ours(tracker, budget)


def known_contenders(tracker: Tracker) -> list[str]:
    """Ours at every depth and budget, the control, and OpenCV's."""
    depths = [f"depth:{k}" for k in range(1, tracker.depths)]
    return [DEFAULT, "full", *depths, RANDOM, *OPENCV]
