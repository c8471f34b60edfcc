"""The JSON report cestab.diff/1 of what differs between two reports."""

from typing import Any

from cestab.commands.diff.answer import Change, Difference
from cestab.commands.diff.sentences import describe_change
from cestab.reports.json import write_json
from cestab.vocabulary.settings import Setting

Json = dict[str, Any]


def render(difference: Difference) -> str:
    """Return the difference as JSON, with a newline at the end."""
    changes = difference.changes()
    return write_json(
        {
            "schema": "cestab.diff/1",
            "version": difference.version,
            "reports": difference.schema,
            "old": difference.old,
            "new": difference.new,
            "max_growth": difference.max_growth,
            "environment": [vars(change) for change in difference.environment],
            "summary": {"settings": len(difference.settings), "changes": len(changes), "worse": len(difference.worse())},
            "changes": [_change(setting, change, difference.schema) for setting, change in changes],
        }
    )


def _change(setting: Setting, change: Change, schema: str) -> Json:
    return {
        "rule": change.rule.label,
        "worse": change.is_worse,
        "setting": {name: value for name, value in setting.show().items() if value is not None},
        "subject": change.subject,
        "old": change.old,
        "new": change.new,
        "floats": change.floats,
        "reproduce": change.reproduce,
        "message": describe_change(change, schema),
    }
