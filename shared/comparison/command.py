"""The command `python -m shared compare`."""

from __future__ import annotations

from pathlib import Path

from shared.comparison.curves import EPOCHS, curves, standings
from shared.comparison.draw import draw_comparison
from shared.comparison.page import write_page
from shared.comparison.records import compare as read
from shared.comparison.tables import standing_rows, write_comparison
from shared.errors import ConfigError
from shared.files import check_writable
from shared.report.table import format_table
from shared.workflow.paths import home_folder


def compare(*runs: str, names: str = "", epoch: str = "last", output_dir: str = "", page: bool = True) -> None:
    """Put recorded runs beside each other: tables, curves, one HTML page.

    The runs must have been trained with `RecordPhotographs` (docs/losses.md). Runs that differ by seed alone are one
    line; differences are from the first.

    Args:
        runs: folders of training runs; a study's folder stands for all its runs.
        names: of the runs, separated by semicolons, in place of what differs in their configurations.
        epoch: of the tables: last, or best (the one whose weights each run kept).
        output_dir: for what is written; default: runs/comparison.
        page: also an HTML page, which needs plotly.
    """
    if not runs:
        raise ConfigError("no run to compare", expected="folders of runs", fix="python -m shared compare RUN RUN")
    if epoch not in EPOCHS:
        raise ConfigError(f"--epoch is {epoch!r}", expected=" or ".join(EPOCHS), fix="correct the word")
    comparison = read(runs, names=[name.strip() for name in names.split(";") if name.strip()])
    folder = Path(output_dir).expanduser().resolve() if output_dir else home_folder() / "runs" / "comparison"
    check_writable(folder)
    lines, table = curves(comparison), standings(comparison, epoch=epoch)
    written = write_comparison(comparison, lines, table, folder)
    for part in comparison.parts:
        written.append(draw_comparison(comparison, lines, folder / f"curves_{part}.png", part=part))
        shown = standing_rows(table, part=part, measures=comparison.measures)
        heads = ["run", "seeds", "photographs", *comparison.measures]
        print(format_table(heads, shown, title=f"\n{part}, {epoch} epoch of each run"))
    if page:
        written.append(write_page(comparison, lines, table, folder / "comparison.html", epoch=epoch))
    print(f"\nwritten to {folder}: {', '.join(path.name for path in written)}")
