"""What the page Sources says: where sources disagree, how good each was, whether confidence comes true."""

from __future__ import annotations

import pandas as pd

from review_queue.confidence import FAR_OFF, STALE_CONFIDENCE, Agreement
from review_queue.measures.calibration import ENOUGH
from storage.lessons import Lessons
from storage.workflows import Workflow
from workbench.parts import counted
from workbench.source_parts import named

CONFLICTS, LOW, STALE, EVERY = "Conflicts", "Low confidence", "No fresh source", "All"
#: Correlation of errors from which two sources are named as perhaps one.
TOGETHER = 0.7
HOW_TO_READ = f"""
**What is weighed.** What other systems say of an item's period, beside the AI's and the manual forecast, each at most
once: its newest statement. A source weighs more the less it missed before, the fresher it is and the less it repeats
another. No source has more than the policy's largest share beside others.

**Agreement.** *Agree, some disagreement, strong disagreement, conflict*: how far the sources lie apart for how far they
usually miss (I², below 25 %, 50 %, 75 % and above). A source that lies more than {FAR_OFF:.0f} of its usual misses from
the rest is a conflict whatever the others do. It still counts until somebody leaves it out, with a reason.

**Confidence** is the chance that the actual lies within 10 % of the value that they come to, or within what is
material, where that is more. From {ENOUGH} known actuals on it is corrected by how often it came true; until then it is
uncalibrated. Where no source is fresh it is never stated above {STALE_CONFIDENCE:.0%}.

**The record of a source** is what it said before a period began, against what happened. On a series of which it has
said little, its record elsewhere stands in, and before that what the policy assumes.
"""


def shown(found: pd.DataFrame, show: str, workflow: Workflow) -> pd.DataFrame:
    """The items that ``show`` asks for."""
    if show == CONFLICTS:
        return found[is_conflict(found)]
    if show == LOW:
        return found[found["confidence"] < least_confidence(workflow)]
    return found[~found["is_fresh"].astype(bool)] if show == STALE else found


def is_conflict(found: pd.DataFrame) -> pd.Series:
    """Whether the sources of an item contradict each other, or one lies far from the rest."""
    return (found["agreement"] == Agreement.CONFLICT) | (found["far_off"] != "")


def least_confidence(workflow: Workflow) -> float:
    """Confidence below which it is called low: what one press needs, where the policy says it."""
    return workflow.policy.sources.one_key_from or 0.5


def disputes_answer(found: pd.DataFrame) -> str:
    """How many of the items that other systems speak of are in conflict, in a sentence."""
    if found.empty:
        return "No open item that you may see is spoken of by another system."
    conflicts = int(is_conflict(found).sum())
    of = f"{counted(len(found), 'open item')} that other systems speak of"
    return f"{conflicts or 'None'} of {of} {'is' if conflicts == 1 else 'are'} in conflict."


def records_answer(records: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Which source missed least, and which two may be one, in sentences."""
    known = records[records["n"] >= 30].sort_values("typical")
    if known.empty:
        said = "Too little is known yet: a record needs 30 periods whose actual is known."
    else:
        best = known.iloc[0]
        said = f"{named(best['source'])} is usually nearest: half of its misses are below {best['typical']:.1%}."
    together = pairs[pairs["correlation"] >= TOGETHER]
    for source, other, share, told in together[["source", "other", "correlation", "told"]].itertuples(index=False):
        both = f"The errors of {named(source)} and {named(other)} go together ({share:.2f})"
        known_of = ", and the policy says that one copies" if pd.notna(told) else "; the policy tells of no overlap"
        said += f" {both}{known_of}."
    return said


def reliability_answer(learnt: Lessons) -> str:
    """Whether what was stated came true, in a sentence."""
    if not learnt.outcomes:
        return "Not known yet: no period that other systems spoke of has an actual."
    tenths = learnt.reliability
    whole = tenths["n"].sum()
    stated = float((tenths["stated"] * tenths["n"]).sum() / whole)
    true = float((tenths["share"] * tenths["n"]).sum() / whole)
    known = f"Of {learnt.outcomes:,} values whose actual is known"
    said = f"{known}, {true:.0%} came true, and {stated:.0%} were stated on average."
    if learnt.curve:
        return f"{said} What is shown elsewhere is corrected by this."
    return f"{said} Uncalibrated: {learnt.outcomes} of {ENOUGH} actuals that a correction needs."
