from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_queue.exporting import ADDED, NUMBER_BY_COMMA, ExportKind, Mask, columns_of, inert, restored, written_back

SIGNS = "=+-@|%＝＋－＠｜％"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "|calc", "%x", "\t=1", "\r1", "\n1", "\x00=1", "  =1", "\ufeff=1", "＝1", "'=1"],
)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "plain", "1-1", "a=b", "'tis", "…", "Ärger", " plain"])
def test_other_text_stays_as_it_is(text):
    assert inert(text) == text


@given(st.text(alphabet=st.sampled_from(f"{SIGNS}' \t\r\n\x00\ufeffab1"), max_size=8) | st.text())
def test_what_was_made_inert_can_be_had_back(text):
    assert restored(inert(text)) == text


@given(st.text(alphabet=st.sampled_from(f"{SIGNS}' \t\r\n\x00\ufeffab1"), max_size=8))
def test_nothing_inert_begins_with_a_sign_behind_blanks(text):
    shown = inert(text).lstrip(" \t\r\n\x00\ufeff")

    assert not shown.startswith(tuple(SIGNS))


def test_people_are_one_keyed_hash_each():
    mask, other = Mask(b"k" * 32), Mask(b"j" * 32)

    assert mask.of("idp|ada") == hmac.new(b"k" * 32, b"idp|ada", hashlib.sha256).hexdigest()[:16]
    assert len({mask.of("idp|ada"), mask.of("idp|bo"), other.of("idp|ada")}) == 3


def test_labels_leave_free_text_out_unless_it_is_asked_for():
    plain = {column.name for column in columns_of(ExportKind.LABELS, ("state",), with_text=False)}
    whole = {column.name for column in columns_of(ExportKind.LABELS, ("state",), with_text=True)}

    assert whole - plain == {"reason_text", "reason_source", "note"}
    assert "segment_state" in plain


def test_a_file_written_back_keeps_its_columns_in_order_and_adds_its_own_behind():
    columns = [column.name for column in written_back(("Outcome", "Month", ""), into=None)]

    assert columns[:3] == ["Outcome", "Month", ""]
    assert columns[3:] == ["final_forecast", "review_outcome", "reason_code", "decided_by", "decided_at"]
    assert [column.name for column in written_back(("Month",), into="Month")] == ["Month"]
    assert len(ADDED) == 5


@pytest.mark.parametrize("text", ["-1234,5", "+1.234.567,89", "-,5", "1,5e-07", "-12"])
def test_a_number_by_comma_is_told_from_what_a_spreadsheet_would_run(text):
    assert NUMBER_BY_COMMA.fullmatch(text)


@pytest.mark.parametrize("text", ["-e5", "-A1,5", "-1,2,3", "-", "-,", "+1;2", "=1,5", "-1,5\n", "-12.34,5"])
def test_what_is_no_number_by_comma_is_not_taken_for_one(text):
    assert not NUMBER_BY_COMMA.fullmatch(text)
