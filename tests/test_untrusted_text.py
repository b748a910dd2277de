"""Text that somebody else wrote never reaches an element that reads Markdown or HTML, except through ``parts``.

What Streamlit draws as Markdown fetches a picture that is written in it. So what goes into such an element is our own
words, with names and numbers in them that went through ``plain`` and its like. This reads the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for path in sorted([*(ROOT / "workbench").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])
    if "import streamlit as st" in path.read_text(encoding="utf-8")
]

#: Elements whose first argument is read as Markdown.
SINKS = {
    "badge", "button", "caption", "checkbox", "download_button", "error", "expander", "feedback", "file_uploader",
    "form_submit_button", "header", "info", "latex", "link_button", "markdown", "metric", "multiselect", "number_input",
    "page_link", "pills", "popover", "radio", "segmented_control", "select_slider", "selectbox", "slider", "spinner",
    "status", "subheader", "success", "tabs", "text_area", "text_input", "title", "toast", "toggle", "warning", "write",
    "date_input", "time_input", "dialog",
}  # fmt: skip
#: Arguments that are read as Markdown wherever they are given.
ARGUMENTS = {"help", "label", "body"}
#: What makes text harmless, or makes only numbers and times of its own.
HARMLESS = {
    "plain", "chip", "amount", "counted", "local_time", "len", "round", "abs", "int", "float", "min", "max", "sum",
}  # fmt: skip
#: What Streamlit has and nothing of ours may use.
FORBIDDEN = {"html", "iframe", "components", "echo", "exception", "help"}


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call of a method, with the method's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr


def is_harmless(node: ast.expr) -> bool:
    """Whether an expression is our own words, whatever the data."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.Subscript(value=of):
            return is_harmless(of)
        case ast.JoinedStr(values=parts):
            return all(map(is_harmless, parts))
        case ast.FormattedValue(value=value, format_spec=how):
            return is_harmless(value) or (how is not None and _is_of_numbers(how))
        case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
            return is_harmless(one) and is_harmless(other)
        case ast.BoolOp(values=values):
            return all(map(is_harmless, values))
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[joined]):
            return is_harmless(joined)
        case ast.GeneratorExp(elt=each) | ast.ListComp(elt=each):
            return is_harmless(each)
        case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id=name), *_]):
            return name in HARMLESS
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name in HARMLESS | SENTENCES
    return False


def _is_of_numbers(how: ast.expr) -> bool:
    """A format that text cannot have: thousands, decimals, per cent."""
    written = "".join(str(part.value) for part in ast.walk(how) if isinstance(part, ast.Constant))
    return written.endswith(("f", "%", "d", ",", "g"))


def what_is_shown(call: ast.Call, name: str) -> Iterator[ast.expr]:
    if name in SINKS and call.args:
        yield call.args[0]
    if name in SINKS or name.endswith("Column"):
        yield from (keyword.value for keyword in call.keywords if keyword.arg in ARGUMENTS)


#: Functions that make a sentence of numbers and fixed words alone: each was read, and interpolates nothing else.
SENTENCES = {
    "_answer", "_how_to_start", "_starts_as", "across_series", "ageing_answer", "answer", "basis", "beside_manual",
    "damping_answer", "direction_answer", "due_answer", "funnel_note", "in_a_sentence", "latency_answer",
    "months_answer", "override_footnote", "pace", "pace_answer", "people_answer", "threshold_answer", "told",
    "utilisation_answer",
}  # fmt: skip
#: (file, what is shown) → why that is harmless.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("pages/my_desk.py", "lane.title"): "a title of ours",
    ("workbench/alert_parts.py", "name"): "the name of a button, a field or a figure of ours",
    ("workbench/analytics_parts.py", "f\"Table: {key.replace('-', ' ')}\""): "a name in our source",
    ("workbench/analytics_parts.py", "said"): "numbers and fixed words",
    ("workbench/analytics_parts.py", "time"): "a title of ours",
    (
        "workbench/aside_parts.py",
        "f'It changes {len(fixes):,} of the {len(ticked or rows):,} rows {which}, and tries them again.'",
    ): "counts and fixed words",
    (
        "workbench/audit_parts.py",
        "f\"{which}{counted(len(shown), 'event')}, the newest first. Select a decision's to see its receipt.\"",
    ): "counts and fixed words",
    ("workbench/batch_parts.py", "title"): "a heading of ours",
    (
        "workbench/choice_form.py",
        "f\"{says} {plain(f'Of this change that leaves {damped}.')}\"",
    ): "went through plain() above",
    (
        "workbench/choice_form.py",
        "f'{chosen.definition}. Evidence asked: {chosen.evidence}.'",
    ): "from the table of reason codes in review_queue/reasons.py",
    ("workbench/choice_form.py", "f'{says} *Final* is the damped value now.'"): "went through plain() above",
    ("workbench/choice_form.py", "name"): "the name of a button, a field or a figure of ours",
    ("workbench/choice_form.py", "says"): "went through plain() above",
    ("workbench/data_parts.py", "name.replace('_', ' ').capitalize()"): "a name in our source",
    (
        "workbench/escalation_parts.py",
        "'\\n'.join((f'- {_told(part)}' for part in known[0].parts))",
    ): "each part's name and sentence went through plain(), beside an icon of ours",
    (
        "workbench/evidence.py",
        'f"Made {made}, received {local_time(item.ai.received_at)}. The text below is the AI\'s own, not an instruction."',  # noqa: E501
    ): "two times",
    ("workbench/evidence.py", "title"): "a heading of ours",
    ("workbench/frame.py", "label"): "a label of ours",
    ("workbench/item_story.py", "'  \\n'.join(lines)"): "each line went through plain() above",
    (
        "workbench/item_story.py",
        "ask if here.desk and here.desk.mine else 'Two people decided this differently; it waits to be settled.'",
    ): "two sentences of ours",
    ("workbench/item_story.py", "name"): "the name of a button, a field or a figure of ours",
    ("workbench/lists.py", "empty"): "a sentence of ours",
    ("workbench/lists.py", "f\"Empty now: {' · '.join(empty)}\""): "titles of ours",
    ("workbench/lists.py", "title"): "a heading of ours",
    ("workbench/model_card.py", "f'**{title}**'"): "a heading of ours",
    (
        "workbench/paging.py",
        "f\"Further on, {last} {counted(shown, 'open item')} that match, in serving order.\"",
    ): "counts and fixed words",
    (
        "workbench/receipt_parts.py",
        "f'**{name}**  \\n{plain(text)}'",
    ): "the name of a field of ours; what it holds goes through plain()",
    (
        "workbench/receipt_parts.py",
        "f'{which}, the newest first. Select one to see its receipt.'",
    ): "counts and fixed words",
    ("workbench/receipt_parts.py", "name"): "the name of a button, a field or a figure of ours",
    ("workbench/reconcile_parts.py", "below or '\\xa0'"): "numbers and fixed words",
    (
        "workbench/reconcile_parts.py",
        "f\"{chosen.definition}. Evidence asked: {chosen.evidence or 'none'}.\"",
    ): "from the table of reason codes in review_queue/reasons.py",
    ("workbench/reconcile_parts.py", "label"): "a label of ours",
    ("workbench/reconcile_parts.py", "name"): "the name of a button, a field or a figure of ours",
    ("workbench/reminder_parts.py", "f'A daily digest by e-mail{to}'"): "the address went through plain() above",
    (
        "workbench/review_card.py",
        "f\"{lane} :small[:gray[{plain(' · '.join((*why, *item.segments, f'item {item.id}')))}]]\"",
    ): "the lane is a badge of ours",
    ("workbench/screens/adoption_parts.py", "missing"): "numbers and fixed words",
    (
        "workbench/screens/oversight_parts.py",
        "'\\n'.join((f'- {said}' for said in oversight.told(found, gather=gather)))",
    ): "topics of ours, numbers and fixed words",
    (
        "workbench/screens/oversight_parts.py",
        "f'{stands}Yours alone to change. Whoever looks closer reads it beside the figures.'",
    ): "a time",
    ("workbench/server.py", "describe(database)"): "written to the log, not to a page",
    (
        "workbench/server.py",
        "f'Something went wrong (id {error_id}). Reload the page to see how things stand.'",
    ): "an id that we made",
    ("workbench/server.py", "warning"): "written to the log, not to a page",
    ("workbench/sign_in.py", "f'Sign in as {role.value}'"): "a role of ours",
    ("workbench/sign_in.py", "told"): "one of two sentences of ours",
}


def doubtful() -> Iterator[tuple[str, str]]:
    for path in FILES:
        for call, name in calls(ast.parse(path.read_text(encoding="utf-8"))):
            for shown in what_is_shown(call, name):
                if not is_harmless(shown):
                    yield path.relative_to(ROOT).as_posix(), ast.unparse(shown)


def test_foreign_text_meets_no_markdown() -> None:
    found = set(doubtful())

    assert found - EXCEPTIONS.keys() == set(), "put it through plain(), or show it with untrusted_text()"
    assert EXCEPTIONS.keys() - found == set(), "these are gone; take them out of EXCEPTIONS"


def test_nothing_of_ours_is_html() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), call.lineno, name)
        for path in FILES
        for call, name in calls(ast.parse(path.read_text(encoding="utf-8")))
        if (name in FORBIDDEN and ast.unparse(call.func) == f"st.{name}")
        or ast.unparse(call.func).startswith("st.components.v1")
        or any(keyword.arg == "unsafe_allow_html" for keyword in call.keywords)
    }

    assert found == set()


def test_the_rule_sees_what_it_is_for() -> None:
    shown = ast.parse(
        "st.markdown(f'**{item.note}**'); st.button(name); st.caption(f'{plain(name)}: {n:,}', help=item.note)"
    )

    caught = [
        ast.unparse(each) for call, name in calls(shown) for each in what_is_shown(call, name) if not is_harmless(each)
    ]

    assert caught == ["f'**{item.note}**'", "name", "item.note"]
