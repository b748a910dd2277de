"""Foreign text stays text, and numbers read as people write them."""

from __future__ import annotations

import pytest

from workbench.parts import amount, counted, plain, told_apart, visible


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (0.0, "0 EUR"),
        (0.0341, "0.0341 EUR"),
        (0.0349, "0.0349 EUR"),
        (-0.001, "−0.001 EUR"),
        (12.345, "12.35 EUR"),
        (123.45, "123.5 EUR"),
        (1234567.8, "1,234,568 EUR"),
        (-18.3, "−18.3 EUR"),
    ],
)
def test_an_amount_has_its_unit_and_no_more_figures_than_can_be_read(value, shown):
    assert amount(value, "EUR") == shown


def test_a_gap_carries_its_sign():
    assert amount(250.0, signed=True) == "+250"
    assert amount(-250.0, signed=True) == "−250"
    assert amount(0.0, signed=True) == "0"


def test_no_character_of_plain_text_is_left_to_markdown():
    hostile = "![x](https://evil.example/a.png) **b** `c` <b> $d$ :red[e] # f"

    escaped = plain(hostile)

    marks = [place for place, char in enumerate(escaped) if char in "![]()*`<>$:#/."]
    assert all(escaped[place - 1] == "\\" for place in marks)


@pytest.mark.parametrize("address", ["https://evil.example", "www.evil.example", "someone@evil.example"])
def test_an_address_is_broken_up_so_that_it_is_not_made_a_link(address):
    assert "\u2060" in plain(address)


def test_text_that_hides_or_reorders_itself_is_made_visible():
    assert visible("a\u202eb\u200bc\x07") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+0007⟩"
    assert visible("two\nlines") == "two\nlines"


def test_people_who_share_a_name_are_told_apart():
    assert told_apart({1: "Ben", 2: "Eva", 3: "Ben"}) == {1: "Ben (1)", 2: "Eva", 3: "Ben (3)"}


def test_one_of_a_thing_and_many_are_counted_as_people_do():
    assert [counted(number, "item") for number in (0, 1, 1_200)] == ["0 items", "1 item", "1,200 items"]
