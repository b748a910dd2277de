"""Text that somebody else wrote never reaches an element that reads Markdown or HTML, except through ``parts``.

What Streamlit draws as Markdown fetches a picture that is written in it. So what goes into such an element is our own
words, with names and numbers in them that went through ``plain`` and its like. This reads the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "workbench").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])

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
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name in HARMLESS
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


#: (file, what is shown) → why it is harmless. One that is gone is to be taken out here too.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def doubtful() -> Iterator[tuple[str, str]]:
    for path in FILES:
        for call, name in calls(ast.parse(path.read_text(encoding="utf-8"))):
            for shown in what_is_shown(call, name):
                if not is_harmless(shown):
                    yield path.relative_to(ROOT).as_posix(), ast.unparse(shown)
