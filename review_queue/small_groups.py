"""Figures about how people decide are not shown of a part in which few people decided: they would tell of one of them.

Nor of a part that leaves few people out: whoever has the whole and the part has the rest, by subtraction. Groups of
items are not groups of people; how they are counted is nothing that this looks at.
"""

from __future__ import annotations

import pandas as pd

#: People of whom figures are shown, where a policy says nothing else.
SMALLEST = 5


def singles_out(people: pd.Series, inside: pd.Series, *, smallest: int) -> bool:
    """Whether the reviews of a part, or those that it leaves out, are the work of fewer than ``smallest`` people.

    Args:
        people: who decided, for each review of the whole that is shown anyway; unknown ones count for nobody.
        inside: for each, whether it is in the part.

    The whole itself, and a part that leaves nobody's decisions out, single out nobody: it is shown in any case.
    """
    of_part, of_rest = people[inside].dropna().nunique(), people[~inside].dropna().nunique()
    return bool(of_rest) and min(of_part, of_rest) < smallest
