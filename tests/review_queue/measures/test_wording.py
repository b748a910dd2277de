"""Whether reasons say something, against METHODS 4.7."""

from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.wording import compression_gain, near_duplicates, normalised, reasons_written, wording
from tests.review_queue.measures.made_reviews import NOON, reviews


def said(note: str, *, days: float = 0, **changes) -> dict:
    row = {"state": "decided", "ai": 100.0, "final": 120.0, "reason": "PROMO", "reviewer": "ada", "note": note}
    return {**row, "decided_at": NOON - timedelta(days=days), **changes}


def marks(*rows: dict, names=()) -> pd.DataFrame:
    return reasons_written(reviews(*rows), tolerance=0.01, names=names)


def test_numbers_names_case_and_punctuation_do_not_make_a_text_another():
    found = normalised(pd.Series(["Acme orders 400 more!", "acme  Orders 1,200 more", "Orders more"]), names=["ACME"])

    assert found.tolist() == ["orders more"] * 3


def test_only_overrides_with_a_text_count():
    found = marks(said("a reason"), said("  "), said("x", final=100.0), {**said(""), "note": None})

    assert found.index.tolist() == [0]


@pytest.mark.parametrize(
    ("days", "repeated"),
    [
        ((0, 45, 90), [True] * 3),
        ((0, 45, 91), [False] * 3),
        ((0, 10, 20, 100), [True] * 4),  # the last is within 90 days of two others
        ((0, 10, 20, 200), [True, True, True, False]),
        ((0, 1), [False] * 2),
    ],
)
def test_a_text_is_repeated_from_three_times_in_ninety_days(days, repeated):
    assert marks(*(said("same as ever", days=day) for day in days))["repeated"].tolist() == repeated


def test_two_people_who_write_the_same_do_not_repeat_themselves():
    assert not marks(*[said("same")] * 2, *[said("same", reviewer="bob")] * 2)["repeated"].any()


def test_the_same_text_under_two_codes_is_filler():
    found = marks(said("see above"), said("see above", reason="PRICE"), said("a tender"), said("a tender"))

    assert found["filler"].tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    "note",
    [
        *("ships 2025-04-02", "moved to 3.4.", "in Q3", "from week 17", "after 12 March", "until Dec 2026"),
        *("about 5 % more", "€ 400 extra", "1,200 units", "30k on top", "200 EUR"),
        *("see https://example.com/x", "as in plan.xlsx", "Acme signed"),
    ],
)
def test_a_date_an_amount_a_document_or_a_customer_is_specific(note):
    assert marks(said(note), names=["Acme"])["specific"].tolist() == [True]


@pytest.mark.parametrize("note", ["gut feeling", "as always", "I may be wrong", "market is up", "acmeist"])
def test_anything_else_is_not(note):
    assert marks(said(note), names=["Acme"])["specific"].tolist() == [False]


def test_long_enough_is_twenty_characters():
    assert marks(said("x" * 20), said(" " + "x" * 19 + " "))["long"].tolist() == [True, False]


def test_nearly_the_same_is_four_fifths_of_the_grams_in_common():
    # 22 characters: 19 grams; one character changed at the end: 18 in common of 20. Changed in the middle: 15 of 23.
    text = "the tender moved again"
    texts = pd.Series([text, text[:-1] + "x", text[:10] + "#" + text[11:], "no", "no", "on"])

    assert near_duplicates(texts).tolist() == [True, True, False, True, True, False]


def test_compression_tells_repetition_from_variety():
    same = ["The customer told us that the order will come later."] * 60
    plain = [f"{number * 7919 % 100003:x}" * 8 for number in range(60)]

    assert compression_gain(same) > 0.9
    assert compression_gain(plain) < compression_gain(same) - 0.2
    assert pd.isna(compression_gain(same[:19]))
    assert pd.isna(compression_gain(["short"] * 100))


def test_a_third_of_all_texts_alike_means_that_a_code_is_missing():
    other = [said(f"another {'abcdefghijklmnopqrstuvwxyz'[number]} reason") for number in range(14)]

    few = wording(reviews(*other), tolerance=0.01).iloc[0]
    many = wording(reviews(*other, *[said("pull forward")] * 6), tolerance=0.01).iloc[0]

    assert (few["n"], few["lacks_a_code"], pd.isna(few["commonest"])) == (14, False, True)
    assert (many["commonest"], many["lacks_a_code"], many["repeated"]) == (0.3, True, 0.3)


def test_without_texts_nothing_is_said():
    row = wording(reviews(), tolerance=0.01).iloc[0]

    assert row["n"] == 0
    assert pd.isna(row["repeated"])


texts = st.text(alphabet="ab 1", max_size=8)


@given(st.lists(st.tuples(texts, st.sampled_from("xy"), st.integers(0, 200)), min_size=20, max_size=25), st.randoms())
@settings(deadline=None, max_examples=12)
def test_the_order_of_rows_does_not_matter(made, random):
    table = reviews(*(said(note, days=day, reviewer=who) for note, who, day in made))
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    first, second = (reasons_written(one, tolerance=0.01) for one in (table, shuffled))

    pd.testing.assert_frame_equal(first, second.sort_index())
    pd.testing.assert_frame_equal(wording(table, tolerance=0.01), wording(shuffled, tolerance=0.01))
