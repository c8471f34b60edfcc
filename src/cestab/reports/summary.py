"""The gate as Markdown, for the page of a CI job."""

from cestab.reports.gate import GateReport
from cestab.reports.rows import escape_markdown, to_markdown
from cestab.vocabulary.phrases import show_count

MOST_PROBLEMS = 200  # a job's summary may have 1 MiB; what is gated comes first


def render_gate(gate: GateReport) -> str:
    """Return a gate's headline, its outcome, and a table of its problems, gated ones first."""
    problems = [(case, problem) for case in gate.cases for problem in case.problems]
    problems.sort(key=lambda pair: not pair[1].is_gated)
    rows = [
        [
            "gated" if problem.is_gated else "accepted" if problem.accepted is not None else str(problem.level),
            f"{case.group}, {case.name}",
            problem.rule,
            problem.message if problem.accepted is None else f"{problem.message} (accepted: {problem.accepted})",
        ]
        for case, problem in problems
    ]
    rows += [["error", f"{c.group}, {c.name}", "not audited", c.error] for c in gate.cases if c.error is not None]
    rows += [["warning", f"{c.group}, {c.name}", "partly judged", c.partly] for c in gate.cases if c.partly is not None]
    rows += [["skipped", f"{c.group}, {c.name}", "", c.skipped] for c in gate.cases if c.skipped is not None]
    outcome = f"{len(gate.gated())} gated, in {show_count(len(gate.cases), 'setting')}; exit status {int(gate.status)}"
    parts = [f"### {escape_markdown(gate.headline)}\n", f"cestab {gate.command}: {outcome}\n"]
    if rows:
        parts.append(to_markdown(["", "setting", "rule", "what"], rows[:MOST_PROBLEMS]))
    if len(rows) > MOST_PROBLEMS:
        parts.append(f"and {len(rows) - MOST_PROBLEMS} more\n")
    return "\n".join(parts)
