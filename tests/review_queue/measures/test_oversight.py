"""Who is talked to and who is left in peace, on teams made from seeds (METHODS 4.1, 4.10; docs/demo.md)."""

from functools import cache

import pandas as pd
import pytest

from review_queue.measures.oversight import (
    BENIGN,
    QUESTIONS,
    SIGNALS,
    account,
    conversation,
    may_be_named,
    oversight,
    signals,
    speaking,
)
from tests.review_queue.measures.made_reviews import reviews
from tests.review_queue.measures.made_team import FINE, IGNORER, REJECTER, team

SEEDS = range(20)


@cache
def found(seed: int, *, each: int = 450, odd: bool = True) -> pd.DataFrame:
    table = team(seed, each=each, odd=odd)
    return signals(table, tolerance=0.01, groups=table["reviewer"], tiers=table["segment_region"])


def of(name: str, seed: int = 1, **changes) -> pd.DataFrame:
    every = found(seed, **changes)
    return every[every["group"] == name]


def talked_to(name: str, **changes) -> int:
    return sum(conversation(of(name, seed, **changes)) for seed in SEEDS)


def test_whose_decisions_ignore_the_gap_is_always_found():
    assert talked_to(IGNORER) == len(SEEDS)


def test_who_rejects_everything_is_mostly_found_and_always_with_forty_kept_items():
    # About 27 of 450 are kept: in one seed of four too few, or too uneven, for "does not follow".
    assert talked_to(REJECTER) >= 14
    assert all(conversation(of(REJECTER, seed, each=700)) for seed in range(5))


def test_nobody_who_is_fine_is_talked_to():
    false_alarms = sum(talked_to(name) for name in FINE) / (len(FINE) * len(SEEDS))

    print(f"false alarms: {false_alarms:.1%} of {len(FINE) * len(SEEDS)} reviewers who are fine")
    assert false_alarms <= 0.005


def test_in_a_team_that_is_fine_nobody_is_talked_to():
    assert not any(conversation(of(name, seed, odd=False)) for name in (*FINE, IGNORER, REJECTER) for seed in range(5))


def test_single_signals_of_people_who_are_fine_are_rare_too():
    alarms = [of(name, seed)["state"].eq("worth a look").mean() for name in FINE for seed in SEEDS]

    assert sum(alarms) / len(alarms) < 0.005


def test_the_signals_are_those_that_were_planted():
    ignorer, rejecter = (set(of(name)["name"][of(name)["state"] == "worth a look"]) for name in (IGNORER, REJECTER))

    assert ignorer >= {"follows_gap", "large_gaps_accepted", "repeated_reasons", "specific_reasons"}
    assert rejecter == {"follows_gap", "override_ratio"}
    assert speaking(of(REJECTER)) == ("discriminate", "differ")


def a_signal(question: str, beyond: float, *, enough: bool = True) -> dict:
    return {"question": question, "beyond": beyond, "enough": enough}


@pytest.mark.parametrize(
    ("rows", "met"),
    [
        ([a_signal("look", 99.8), a_signal("catch", 99.8)], True),
        ([a_signal("look", 99.8), a_signal("look", 99.8)], False),  # one question
        ([a_signal("look", 99.8), a_signal("catch", 95.0)], False),
        ([a_signal("look", 99.8), a_signal("catch", 95.0), a_signal("catch", 95.0)], True),
        ([a_signal("look", 95.0), a_signal("catch", 95.0), a_signal("differ", 95.0)], False),
        ([a_signal("look", 99.8), a_signal("catch", 99.8, enough=False)], False),
        ([], False),
    ],
)
def test_a_conversation_needs_two_questions_that_speak(rows, met):
    assert conversation(pd.DataFrame(rows, columns=["question", "beyond", "enough"])) is met


def test_a_name_is_shown_from_sixty_decisions():
    assert [may_be_named(of(IGNORER), decisions=n) for n in (59, 60)] == [False, True]
    assert not may_be_named(of(FINE[0]), decisions=450)


def test_the_benign_explanations_come_first():
    told = account(of(REJECTER))

    assert told[:5] == BENIGN
    assert [sentence.split(":")[0] for sentence in BENIGN] == [
        *("Easy mix", "Good AI", "Overload", "Missing evidence", "Unclear guideline")
    ]
    assert told[5:] == (
        "Decisions do not follow the size of the gap.",
        "Overrides were more frequent than such items usually have.",
    )
    assert account(of(FINE[0])) == ()


def test_the_report_has_every_signal_of_every_group():
    table = team(1, each=30).assign(reviewer=lambda rows: rows["reviewer"].where(rows["reviewer"] != IGNORER))

    report = oversight(table, tolerance=0.01, groups=table["reviewer"])

    assert report.columns.tolist() == ["group", "n", "signals"]
    assert report["group"].iloc[:-1].tolist() == [*FINE, REJECTER]
    assert pd.isna(report["group"].iloc[-1])
    assert report["n"].tolist() == [30] * 12
    for told in report["signals"]:
        assert [one["name"] for one in told] == [signal.name for signal in SIGNALS]
        assert {tuple(one) for one in told} == {("name", "value", "n", "state")}
        assert {one["state"] for one in told} <= {"in usual range", "worth a look", "not enough data"}
        assert all(one["value"] is None for one in told if one["name"] == "missed_catches" and one["n"] < 30)


def test_every_signal_belongs_to_one_of_the_five_questions():
    assert {signal.question for signal in SIGNALS} == set(QUESTIONS)


def test_without_reviews_there_is_not_enough_data():
    row = oversight(reviews(), tolerance=0.01).iloc[0]

    assert (row["group"], row["n"]) == ("all", 0)
    assert {one["state"] for one in row["signals"]} == {"not enough data"}
    assert {one["value"] for one in row["signals"]} == {None}


def test_past_reviews_without_any_facts_give_the_signals_that_they_can():
    table = team(1, each=60)[["state", "reviewer", "ai", "manual", "final", "actual", "reason", "decided_at"]]
    table = table.assign(due_at=pd.NaT, created_at=table["decided_at"], is_lower_bound=False)

    report = oversight(table, tolerance=0.01, groups=table["reviewer"])

    shown = {one["name"] for told in report["signals"] for one in told if one["value"] is not None}
    assert shown == {"override_ratio"}


def test_neither_order_nor_money_matters():
    table = team(2, each=60)
    money = ["ai", "manual", "final", "actual", "scale"]
    scaled = table.assign(**{name: table[name] * 4 for name in money})
    shuffled = table.sample(frac=1, random_state=3)

    whole, mixed, larger = (signals(one, tolerance=0.01, groups=table["reviewer"]) for one in (table, shuffled, scaled))

    pd.testing.assert_frame_equal(whole, mixed)
    pd.testing.assert_frame_equal(whole, larger)
