"""Oversight: sentences, tables and charts about the team, dots without names, and the look that is recorded."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import select

from review_queue.errors import NotAllowed, PeopleNotCompared
from review_queue.measures.overrides import override_funnel
from review_queue.roles import Role
from storage import advance_notices, people
from storage.engine import Database
from storage.tables import audit_events, notifications
from tests.builders import a_person
from tests.house import House
from tests.review_queue.measures.made_reviews import NOON
from tests.workbench.made_known import known_of, overridden
from tests.workbench.made_team import NAMES, STANDS_OUT, a_team, compared_by, known_to, turn_off, was_told
from workbench import analytics, known_reviews
from workbench.actions.forewarning import comment_on_own
from workbench.actions.looking import Compared, Look, LookRefused, look_closer, may_look_closer, people_compared
from workbench.screens import oversight
from workbench.screens.overrides_charts import funnel_chart
from workbench.screens.oversight_charts import rate_by_step

pytestmark = pytest.mark.one_kind

NOBODY = pd.Series(dtype=bool)
ONCE = pd.DataFrame(columns=["ai", "first", "second", "scale"], dtype="float64")  # nothing reviewed twice


def following(count: int, *, by_gap: bool = True) -> list[dict]:
    """Decisions of which the half with large gaps, or else every second one, is overridden."""
    return [
        {"u": float(place), "final": 150.0 if (place >= count / 2 if by_gap else place % 2) else 100.0}
        for place in range(count)
    ]


# --- the team ------------------------------------------------------------------------------------------------------


def test_below_thirty_decisions_nobody_can_tell_a_rubber_stamp():
    assert oversight.answer(known_of(*following(29))) == "Can't tell yet: 29 of 30 decisions with a known gap needed."


@pytest.mark.parametrize(("made", "said"), [(4, "4 of 5 overridden"), (36, "4 of 5 kept")])
def test_without_both_kinds_of_decisions_there_is_nothing_to_compare(made, said):
    rows = [{**row, "u": 1.0} for row in overridden(made, of=40)]

    assert oversight.answer(known_of(*rows)) == f"Can't tell yet: {said} items needed."


def test_decisions_that_follow_the_gap_are_no_rubber_stamp_with_the_interval_said():
    said = oversight.answer(known_of(*following(40)))

    assert said.startswith("Decisions follow the gap, as no rubber stamp does: ")
    assert "100.0% of pairs (95 % interval 100.0% to 100.0%)" in said


def test_decisions_that_do_not_follow_the_gap_look_like_a_rubber_stamp():
    assert oversight.answer(known_of(*following(400, by_gap=False))).startswith("Decisions do not follow the gap, as ")


def test_an_interval_that_holds_both_cannot_tell():
    assert oversight.answer(known_of(*following(40, by_gap=False))).startswith("Can't tell yet whether")


def test_each_of_the_five_questions_says_what_it_lacks():
    lines = oversight.five_lines(known_of(*overridden(1, of=3)))

    assert [line.sentence.split(".")[0] for line in lines] == [
        "Can't tell yet, 0 of 20 flagged items whose opening was noted",
        "Can't tell yet, 0 of 20 large gaps",
        "Can't tell yet, 3 of 20 decisions",
        "Can't tell yet, 0 of 20 reasons in words",
        "Can't tell yet, 0 of 30 accepted items with a known actual",
    ]
    assert oversight.table_of(lines)["state"].tolist()[0] == "can't tell yet, 0 of 20"
    assert oversight.table_of(lines)["value"].isna().all()


@pytest.mark.parametrize(("opened", "word"), [(16, "most"), (10, "about half"), (3, "fewer than half")])
def test_looking_is_said_with_its_interval_and_in_words(opened, word):
    seen = {"opened_at": NOON - timedelta(minutes=9)}
    rows = [
        {**seen, "first_evidence_at": NOON - timedelta(minutes=5) if place < opened else None} for place in range(20)
    ]

    line = oversight.five_lines(known_of(*rows))[0]

    assert line.sentence.startswith(f"Evidence was opened before {opened / 20:.1%} (")
    assert line.sentence.endswith(f": {word}.")
    assert (line.n, line.value, line.state) == (20, opened / 20, "known")


def test_large_gaps_bad_forecasts_and_reasons_have_their_figures():
    large = [{**row, "u": 3.0} for row in overridden(5, of=20)]
    known = known_of(*large, *({"actual": 200.0, "manual": 180.0, "scale": 10.0} for _ in range(30)))
    reasons = known_of(*({"final": 150.0, "note": f"They lost {place} EUR of budget"} for place in range(20)))

    assert "unchanged in 75.0% (" in oversight.five_lines(known)[1].sentence
    assert oversight.five_lines(known)[4].sentence.startswith("100.0% (")
    assert oversight.five_lines(reasons)[3].sentence.startswith("100.0% (")


def test_the_random_sample_is_compared_with_what_nobody_flagged_either():
    drawn = overridden(10, of=20, flagged=False, audit_sample=True)
    others = overridden(0, of=20, flagged=False)
    flagged = overridden(20, of=20)

    said = oversight.five_lines(known_of(*drawn, *others, *flagged))[2].sentence
    few = oversight.five_lines(known_of(*drawn[:19], *others))[2].sentence

    assert "drawn at random, so without bias: 50.0% (29.9% to 70.1%); of the other unflagged ones, 0.0%." in said
    assert few.endswith("drawn at random: can't tell yet, 19 of 20.")


def test_bursts_are_told_with_the_queue_and_that_utilisation_is_not_known():
    rows = [{"queue_length": 12, "hours_to_deadline": -1.0 if place < 5 else 9.0} for place in range(20)]

    said = oversight.pace(known_of(*rows))

    assert said.startswith("100.0% of flagged items were decided in bursts")
    assert "12 items waited when the typical one was opened and 25.0% were decided after the deadline." in said
    assert said.endswith("Utilisation is not known: nobody's time for reviewing is.")
    assert oversight.pace(known_of(*rows[:19])) == "Bursts: can't tell yet, 19 of 20 flagged items."


def test_bursts_without_a_known_queue_say_so():
    assert "nothing is known of the queue" in oversight.pace(known_of(*overridden(0, of=20)))


def test_rates_by_gap_stand_in_the_order_of_the_gap():
    far, near = overridden(20, of=20, u=-5.0, band="extreme"), overridden(2, of=20, u=0.1, band="agree")
    rows = [*far, *near, *overridden(1, of=5, u=1.0), {"u": None}]

    table = oversight.rates_by_gap(known_of(*rows))

    assert table["group"].tolist() == ["under 0.5", "0.5–1.28", "from 3.29"]
    assert table["n"].tolist() == [20, 5, 20]
    assert table["expected"].tolist()[::2] == pytest.approx([20 * 24 / 50] * 2)  # nothing but the gap tells them apart
    assert table["rate"].isna().tolist() == [False, True, False]


def test_before_the_deadline_the_gaps_alone_say_what_to_expect():
    rows = [*overridden(0, of=40, hours_to_deadline=2.0), *overridden(20, of=40, hours_to_deadline=48.0)]

    table = oversight.rates_by_time_left(known_of(*rows))

    assert table["group"].tolist() == ["under 1 day", "1–3 days"]
    assert table["expected"].tolist() == pytest.approx([40 * 21 / 85] * 2)


@pytest.mark.parametrize(("has_expected", "layers"), [(True, 5), (False, 4)])
def test_a_rate_along_steps_starts_at_zero_and_keeps_their_order(has_expected, layers):
    rows = [*overridden(0, of=40, hours_to_deadline=2.0), *overridden(20, of=40, hours_to_deadline=48.0)]
    table = oversight.rates_by_time_left(known_of(*rows))

    chart = rate_by_step(
        table, overall=0.25, question="Why?", along="Time left", below="So.", has_expected=has_expected
    ).to_dict()

    assert len(chart["layer"]) == layers
    dots = chart["layer"][-1]["encoding"]
    assert (dots["x"]["title"], dots["x"]["sort"]) == ("Time left", ["under 1 day", "1–3 days"])
    assert dots["y"]["scale"]["domainMin"] == 0
    assert {"Decisions", "Overrides"} <= {tip["title"] for tip in dots["tooltip"]}


# --- tests of review -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caught", "met", "said"),
    [
        (0, 0, "No check items yet."),
        (5, 29, "Can't tell yet, 29 of 30 check items met."),
        (24, 30, "The team caught 80.0% (62.7% to 90.5%) of 30; to conclude takes 100."),
        (80, 100, "The team caught 80.0% (71.1% to 86.7%) of 100."),
    ],
)
def test_check_items_are_told_of_the_team_from_thirty(caught, met, said):
    line = oversight.tested_lines(known_of(), pd.Series([True] * caught + [False] * (met - caught), dtype=bool), ONCE)[
        0
    ]

    assert line.sentence == said


@pytest.mark.parametrize(
    ("alike", "apart", "said"),
    [
        (29, 0, "Can't tell yet, 29 of 30 items reviewed twice."),
        (
            15,
            15,
            "In 50% of 30 items reviewed twice both went the same way, and their values lay 2.0 × usual miss apart",
        ),
        (100, 20, "In 83% of 120 items reviewed twice both went the same way, and their values lay 0.7 × usual"),
    ],
)
def test_second_reviews_are_told_of_from_thirty_pairs(alike, apart, said):
    rows = [(100.0, 120.0, 120.0, 10.0)] * alike + [(100.0, 120.0, 80.0, 10.0)] * apart
    twice = pd.DataFrame(rows, columns=ONCE.columns)

    line = oversight.tested_lines(known_of(), NOBODY, twice)[1]

    assert line.sentence.startswith(said)
    assert ("to conclude takes 100" in line.sentence) is (alike + apart == 30)


def first(count: int, **values) -> list[dict]:
    ordinary = {"mode": "human_first", "initial_value": 80.0, "ai": 100.0, "final": 90.0, "scale": 10.0}
    return [{**ordinary, **values} for _ in range(count)]


def test_human_first_items_say_what_they_lack():
    lines = oversight.tested_lines(known_of(*first(19, actual=100.0)), NOBODY, ONCE)

    assert [line.sentence.split(" items")[0] for line in lines[2:]] == [
        "Can't tell yet, 19 of 20",
        "Can't tell yet, 0 of 15",
        "Can't tell yet, 19 of 20",
        "Can't tell yet, 0 of 20",
    ]


def test_human_first_items_tell_weight_and_reliance():
    known = known_of(
        *first(20, actual=100.0, knew_more=False, final=98.0), *first(20, actual=80.0, knew_more=True, final=80.0)
    )

    weight, knowing, right, own = oversight.tested_lines(known, NOBODY, ONCE)[2:]

    assert "move 45% of the way to the AI's (40 items; 0% moved away" in weight.sentence
    assert knowing.sentence.endswith("they give it less weight than otherwise (difference 0.90).")
    assert right.sentence.startswith("People followed it in 100.0% (83.9% to 100.0%) of 20 items where the AI turned")
    assert right.sentence.endswith(" nearer. To conclude takes 40.")
    assert own.sentence.startswith("People kept their own value in 100.0%")


def test_tests_of_review_that_cannot_be_told_yet_stand_in_one_line():
    lines = oversight.tested_lines(known_of(), pd.Series([True] * 30, dtype=bool), ONCE)

    said = oversight.told(lines, gather=True)

    assert [text.split(":")[0] for text in said] == [
        "**Check items**",
        "**Can't tell yet**, with so many of the items needed",
    ]
    assert "Second reviews (0 of 30), Weight of the AI's value (0 of 20)" in said[1]
    assert len(oversight.told(lines, gather=False)) == len(lines)


def test_checks_that_were_met_are_read_for_who_may_see_analytics(database: Database):
    house = House(database)
    auditor, machine = a_person(database, "Aud", Role.AUDITOR), a_person(database, "Machine", Role.INTEGRATOR)
    known = known_reviews.read(database, person_id=auditor, workflow_key=house.workflow.key)

    assert analytics.checks_caught(database, known, person_id=auditor).empty
    with pytest.raises(NotAllowed):
        analytics.checks_caught(database, known, person_id=machine)


# --- people --------------------------------------------------------------------------------------------------------


@pytest.fixture
def team(database: Database) -> House:
    return a_team(database)


def look(house: House, person: str = "manager", reviewer: str = STANDS_OUT) -> Look:
    return look_closer(house.database, person_id=house.ids[person], workflow=house.workflow, reviewer=reviewer)


def looks(house: House) -> list:
    query = select(audit_events).where(audit_events.c.action == "person.looked_closer")
    with house.database.reading() as session:
        return list(session.execute(query).all())


def test_people_are_counted_and_nobody_is_named(team):
    was_told(team, days_ago=8)

    compared = compared_by(team)

    assert oversight.people_answer(compared) == "1 person's decisions are worth a conversation, of 10 people."
    assert [person.reviewer for person in compared.everybody] != NAMES
    assert {person.reviewer for person in compared.everybody} == set(NAMES)


@pytest.mark.parametrize("days_ago", [None, 0, 6.99])
def test_whoever_has_not_had_seven_days_alone_is_not_counted_and_cannot_be_looked_at(team, days_ago):
    if days_ago is not None:
        was_told(team, days_ago=days_ago)

    assert (
        oversight.people_answer(compared_by(team)) == "Nobody's decisions are worth a conversation now, of 10 people."
    )
    with pytest.raises(LookRefused, match="and 7 days since the person was told of them"):
        look(team)
    assert looks(team) == []


def test_after_seven_days_a_look_is_possible_until_the_notice_ends(team):
    was_told(team, days_ago=7.001)
    assert look(team).person.reviewer == STANDS_OUT

    with team.database.writing() as session:
        advance_notices.end(session, [notice.id for notice in advance_notices.standing(session, team.workflow.id)])

    with pytest.raises(LookRefused):
        look(team)


def test_alone_nobody_can_be_compared_and_a_usual_team_has_nobody_to_talk_to(team):
    usual = [person for person in people_compared(known_to(team)) if person.reviewer != STANDS_OUT]

    assert oversight.people_answer(Compared(usual, [], None)).startswith("Nobody's decisions are worth a conversation")
    alone = oversight.people_answer(Compared(usual[:1], [], None))
    assert alone == "Can't tell yet: 1 of 2 people with 20 decisions needed to compare."


def test_the_dots_and_their_table_hold_no_name(team):
    table = known_to(team).table

    found = oversight.unlabelled(override_funnel(table, tolerance=0.01, groups=table["reviewer"]))
    chart = funnel_chart(found, "Who?", has_names=False)

    assert len(found.table) == 10
    assert not any(name in text for name in NAMES for text in (str(chart.to_dict()), found.table.to_csv()))


def test_a_closer_look_shows_the_person_benign_explanations_first_and_is_recorded(team):
    was_told(team, days_ago=8)
    with team.database.reading() as session:
        before = session.execute(select(notifications)).all()

    person = look(team).person

    assert (person.reviewer, person.decisions) == (STANDS_OUT, 100)
    assert set(person.questions) >= {"differ", "explain"}
    assert person.account[0].startswith("Easy mix")
    (event,) = looks(team)
    assert (event.actor_id, event.workflow_id) == (team.ids["manager"], team.workflow.id)
    told = {"person_id": team.ids[STANDS_OUT], "decisions": 100, "questions": list(person.questions), "comment": None}
    assert event.details == told
    with team.database.reading() as session:
        assert session.execute(select(notifications)).all() == before


def test_whoever_looks_closer_reads_the_persons_own_words_and_which_is_recorded(team):
    was_told(team, days_ago=8)
    for body in ("First.", "The AI does not see prices."):
        comment_on_own(team.database, person_id=team.ids[STANDS_OUT], workflow_id=team.workflow.id, body=body)

    comment = look(team).comment

    assert comment is not None
    assert comment.body == "The AI does not see prices."
    assert looks(team)[0].details["comment"] == comment.id


def test_nobody_who_does_not_stand_out_can_be_looked_at(team):
    was_told(team, "Person 4", days_ago=8)
    for name in ("Person 4", "Somebody else"):
        with pytest.raises(LookRefused, match="signals of two different questions"):
            look(team, reviewer=name)

    assert looks(team) == []
    assert compared_by(team).stand_out == []


def test_names_are_not_for_colleagues_nor_for_who_may_not_see_analytics(team):
    was_told(team, days_ago=8)
    team.ids["machine"] = a_person(team.database, "Machine", Role.INTEGRATOR)
    for person in ("Person 1", "machine"):
        with pytest.raises(NotAllowed):
            look(team, person=person)

    with team.database.reading() as session:
        colleague, manager = (people.principal(session, team.ids[name]) for name in ("Person 1", "manager"))
    assert (may_look_closer(colleague, team.workflow.id), may_look_closer(manager, team.workflow.id)) == (False, True)
    assert looks(team) == []


def test_without_the_person_level_nobody_is_compared_nor_looked_at(team):
    was_told(team, days_ago=8)
    turn_off(team)

    assert compared_by(team) is None
    with pytest.raises(PeopleNotCompared, match="`person_level` in the workflow's file"):
        look(team)
    assert looks(team) == []


def test_two_of_one_name_are_nobodys(team):
    was_told(team, days_ago=8)
    team.ids["twin"] = add_twin(team)

    with pytest.raises(LookRefused):
        look(team)
    assert compared_by(team).stand_out == []
    assert compared_by(team, "twin").own is None


def add_twin(house: House) -> int:
    with house.database.writing() as session:
        person_id = people.add(session, issuer="test", subject="another", name=STANDS_OUT)
        people.grant(session, person_id, Role.REVIEWER)
    return person_id


def test_ones_own_figures_are_found_for_oneself_alone(team):
    own = compared_by(team, "Person 1").own

    assert own is not None
    assert own.person.reviewer == "Person 1"
    assert compared_by(team, "manager").own is None


def test_in_one_segment_people_are_compared_over_the_whole_workflow_and_only_those_who_decide_there_are_shown(team):
    was_told(team, days_ago=8)
    for name in ("Victoria", "Queensland"):
        team.ids[f"of {name}"] = a_person(team.database, f"of {name}", Role.DIRECTOR, segment_path=f"{name}\x1f")
    team.past(
        series_id=team.ids["Queensland cafes"],
        segment_id=team.ids["Queensland"],
        decided_at=known_to(team).as_of - timedelta(days=1),
        reviewer="Person 1",
        ai_forecast=100.0,
        final_forecast=100.0,
    )

    here, elsewhere = compared_by(team, "of Victoria"), compared_by(team, "of Queensland")

    assert [person.reviewer for person in here.stand_out] == [STANDS_OUT]
    assert [(person.reviewer, person.decisions) for person in elsewhere.everybody] == [("Person 1", 101)]
    assert elsewhere.stand_out == []
    with pytest.raises(LookRefused):
        look(team, "of Queensland")
    assert look(team, "of Victoria").person.decisions == 100


def test_figures_of_a_person_are_in_words_with_what_is_usual(team):
    was_told(team, days_ago=8)

    table = oversight.signals_table(look(team).person).set_index("about")

    ratio = table.loc["Overrides, as a multiple of what such items let expect"]
    assert (ratio["usual"], ratio["state"]) == ("1.00 ×", "worth a look, 100 items")
    assert table.loc["Reason texts used again and again", "value"].startswith("100% (")
    assert table.loc["Large gaps accepted unchanged", "value"] == "—"
    assert len(table) == 12


def test_what_lies_more_than_thirteen_months_back_compares_nobody(team):
    known = known_to(team)
    later = known_reviews.Reviews(known.workflow, known.as_of + timedelta(days=400), known.table)

    assert people_compared(later) == []
    nobody = oversight.people_answer(Compared([], [], None))
    assert nobody == "Can't tell yet: 0 of 2 people with 20 decisions needed to compare."
