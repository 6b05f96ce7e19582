"""The JSON of a result as HTML: probabilities as bars, counts and areas as tables, experts, remarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

# Ends of keys -> unit. Nothing is converted: what the JSON does not say is not shown.
UNITS = {"px": "px", "mm3": "mm³", "mm2": "mm²", "mm": "mm", "um": "µm", "degrees": "°"}
SHARES = ("share", "retina_share")
NOT_SHOWN = {"provenance", "files", "thresholds", "thresholds_not_chosen", "remarks", "experts", "rim"}
# Colours in the style sheet.
MAX_EXPERTS = 6
# From here on one digit after the point is enough.
MANY = 10.0


def describe(
    findings: Mapping[str, Any], *, titles: Mapping[str, str], colours: Mapping[str, str], notes: Iterable[str] = ()
) -> str:
    """All that a result's JSON says, for reading.

    Args:
        findings: the JSON.
        titles: of tasks, where they have any.
        colours: of layers, for the swatches.
        notes: said above everything.
    """
    parts = [note(text) for text in [*notes, *remarks(findings)]]
    for key, value in findings.items():
        if key in NOT_SHOWN or not isinstance(value, Mapping) or not value:
            continue
        inner = list(value.values())
        if all(isinstance(item, Mapping) and "probabilities" in item for item in inner):
            parts += [bars(titles.get(task, task), item) for task, item in value.items()]
        elif all(isinstance(item, Mapping) for item in inner):
            parts.append(table(key, value, titles=titles, colours=colours))
        elif key != "classes":
            parts.append(facts(key, value, colour=colours.get(key)))
    parts += [experts(findings["experts"], titles=titles)] if findings.get("experts") else []
    return "".join([*parts, measures(findings)])


def remarks(findings: Mapping[str, Any]) -> list[str]:
    """What a reader has to know about the numbers."""
    said = [str(remark) for remark in findings.get("remarks", [])]
    if findings.get("physical") is False:
        said.append("The file gives no spacing in mm, so everything is counted in pixels.")
    if findings.get("thresholds_not_chosen"):
        said.append(f"Threshold 0.5, not chosen on validation: {', '.join(findings['thresholds_not_chosen'])}.")
    return said


def note(text: str) -> str:
    """A sentence that stands out."""
    return f'<p class="note">{escape(text)}</p>'


def bars(title: str, answer: Mapping[str, Any]) -> str:
    """A bar per class, the answer in bold."""
    given = answer["probabilities"]
    named = dict(given) if isinstance(given, Mapping) else {str(number): value for number, value in enumerate(given)}
    chosen = str(answer.get("class", answer.get("grade", "")))
    rows = "".join(
        f'<div class="bar{" chosen" if name == chosen else ""}"><span>{escape(name)}</span>'
        f'<i><b style="width:{100 * float(value):.1f}%"></b></i><span>{float(value):.3f}</span></div>'
        for name, value in named.items()
    )
    return f"<section><h3>{escape(title)}: <em>{escape(chosen)}</em></h3>{rows}</section>"


def table(
    key: str, rows: Mapping[str, Mapping[str, Any]], *, titles: Mapping[str, str], colours: Mapping[str, str]
) -> str:
    """A line per mask, lesion or fluid."""
    columns = list(dict.fromkeys(name for row in rows.values() for name, value in row.items() if is_scalar(value)))
    head = "".join(f"<th>{escape(heading(name))}</th>" for name in columns)
    lines = "".join(
        f"<tr><th>{swatch(colours.get(name))}{escape(titles.get(name, name))}</th>"
        + "".join(f"<td>{escape(shown(column, row.get(column)))}</td>" for column in columns)
        + "</tr>"
        for name, row in rows.items()
    )
    return (
        f'<section><h3>{escape(words(key))}</h3><div class="wide"><table><tr><th></th>{head}</tr>{lines}</table>'
        "</div></section>"
    )


def facts(key: str, values: Mapping[str, Any], *, colour: str | None) -> str:
    """A line per value."""
    lines = "".join(
        f"<tr><th>{escape(heading(name))}</th><td>{escape(shown(name, value))}</td></tr>"
        for name, value in values.items()
        if is_scalar(value)
    )
    return f"<section><h3>{swatch(colour)}{escape(words(key))}</h3><table>{lines}</table></section>"


def experts(gates: Mapping[str, Mapping[str, float]], *, titles: Mapping[str, str]) -> str:
    """The experts that ran for each task, as wide as their gates' weights."""
    numbers = sorted({int(expert) for weights in gates.values() for expert in weights})
    rows = "".join(
        f'<div class="bar"><span>{escape(titles.get(task, task))}</span><i>'
        + "".join(
            f'<b class="expert{int(expert) % MAX_EXPERTS}" style="width:{100 * weight:.1f}%" '
            f'title="expert {escape(expert)}: {weight:.3f}">{escape(expert)}</b>'
            for expert, weight in weights.items()
        )
        + "</i><span></span></div>"
        for task, weights in gates.items()
    )
    used = ", ".join(map(str, numbers))
    return f'<section class="experts"><h3>Experts used and their gates: {used}</h3>{rows}</section>'


def measures(findings: Mapping[str, Any]) -> str:
    """The picture's size, and whose weights these are."""
    size = findings.get("size") or [findings.get("height"), findings.get("width")]
    spacing = findings.get("spacing_zyx_mm")
    origin = findings.get("provenance", {})
    lines = {"size": " x ".join(map(str, size)) + (" voxels" if len(size) > 2 else " px (height x width)")}
    lines |= {"spacing": " x ".join(f"{step:.4g}" for step in spacing) + " mm"} if spacing else {}
    lines |= {key: str(origin[key]) for key in ("bundle", "commit", "date", "epoch") if key in origin}
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in lines.items())
    return f"<details><summary>File and weights</summary><table>{rows}</table></details>"


def swatch(colour: str | None) -> str:
    """A square of a layer's colour."""
    return f'<s style="background:{colour}"></s>' if colour else ""


def is_scalar(value: object) -> bool:
    """Whether a value fits into a cell."""
    return value is None or isinstance(value, (str, int, float))


def words(key: str) -> str:
    """A key as words."""
    text = key.replace("_", " ").replace("bscan", "B-scan")
    return text[:1].upper() + text[1:]


def heading(key: str) -> str:
    """A key as words with its unit."""
    base, _, last = key.rpartition("_")
    return f"{words(base)}, {UNITS[last]}" if base and last in UNITS else words(key)


def shown(key: str, value: object) -> str:
    """A number with at most four significant digits (whole ones in full), a share in per cent, nothing as a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if key in SHARES:
            return f"{value:.2%}"
        return f"{value:,.1f}" if abs(value) >= MANY else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
