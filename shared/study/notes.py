"""What must stand beside a study's numbers: caveats, methods, and where they come from."""

from __future__ import annotations

from pathlib import Path

from shared.study.collect import Results

FEWEST_SEEDS = 6
METHODS = (
    "Mean and standard deviation over seeds. [ ]: 95 % bootstrap over seeds and subjects, both resampled (with few "
    "seeds it is too narrow). p: two-sided test of the paired difference, seeds and subjects both random "
    "(`shared.study.statistics.paired_test`; one number per seed: the paired t test), Holm-adjusted within a metric. "
    "finds: the smallest true difference that this design finds with 80 % power at a family-wise level of 5 %."
)


def warnings(results: Results) -> list[str]:
    """What a reader must know before the numbers."""
    study, lines = results.study, []
    if results.phantom:
        lines.append(
            "Phantoms are drawings: what wins here shows that the code works, not which method is better on patients."
        )
    if len(study.seeds) < FEWEST_SEEDS:
        lines.append(
            f"**This study settles nothing: it has {len(study.seeds)} seed{'s' * (len(study.seeds) > 1)}, and at least "
            f"{FEWEST_SEEDS} are needed** (with fewer, a sign-flip test over seeds cannot reach p < 0.05)."
        )
    if len(results.finished) < len(study.runs):
        lines.append(f"**Incomplete: {len(results.finished)} of {len(study.runs)} runs are finished.**")
    commits = sorted({str(facts.get("commit")) for facts in results.facts.values()})
    if len(commits) > 1:
        lines.append(f"Its runs are of different commits: {', '.join(commits)}.")
    for metric in study.metrics:
        absent = results.rows_without(metric.name)
        if absent and len(absent) < len(study.rows):
            lines.append(f"No {metric.name}: {', '.join(absent)}.")
    return lines


def source(results: Results) -> str:
    """One line: bundle, seeds, commit, machine, time."""
    known = list(results.facts.values())
    if not known:
        return ""
    first, hardware = known[0], known[0].get("hardware", {})
    dates = sorted(str(facts.get("date"))[:10] for facts in known)
    seconds = sum(facts.get("seconds", 0) for facts in known)
    data = sorted({"phantoms" if facts.get("phantom") else Path(str(facts.get("dataset"))).name for facts in known})
    until = f" to {dates[-1]}" if dates[0] != dates[-1] else ""
    return (
        f"Bundle {results.study.bundle_root.name}, data {', '.join(data)}, seeds "
        f"{', '.join(map(str, results.study.seeds))}, {len(known)} runs of {seconds / len(known):.0f} s on average; "
        f"commit {first.get('commit')}, {dates[0]}{until}, {hardware.get('device')}, {hardware.get('cores')} cores, "
        f"torch {first.get('versions', {}).get('torch')}."
    )
