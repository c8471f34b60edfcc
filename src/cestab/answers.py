"""What the public Python functions return: the results of the commands, which can be written as JSON."""

from cestab.reports import comparison_json, explanation_json, json_v1
from cestab.results import comparison as results_comparison
from cestab.results import explanation as results_explanation
from cestab.results import report as results_report


class Report(results_report.Report):
    """A report of sweep or audit: what the commands print."""

    def to_json(self) -> str:
        """Return the report as the strict JSON that the commands write."""
        return json_v1.render(self)


class Comparison(results_comparison.Comparison):
    """A comparison: what `cestab compare` prints."""

    def to_json(self) -> str:
        """Return the comparison as the strict JSON that the command writes."""
        return comparison_json.render(self)


class Explanation(results_explanation.Explanation):
    """An explanation of one case: what `cestab explain` prints."""

    def to_json(self) -> str:
        """Return the explanation as the strict JSON that the command writes."""
        return explanation_json.render(self)
