"""What the public Python functions return: the results of the commands, which can be written as JSON."""

from cestab import results
from cestab.reports import comparison_json, explanation_json, json_v1


class Report(results.Report):
    """A report of sweep or audit: what the commands print."""

    def to_json(self) -> str:
        """Return the report as the strict JSON that the commands write."""
        return json_v1.render(self)


class Comparison(results.Comparison):
    """A comparison: what `cestab compare` prints."""

    def to_json(self) -> str:
        """Return the comparison as the strict JSON that the command writes."""
        return comparison_json.render(self)


class Explanation(results.Explanation):
    """An explanation of one case: what `cestab explain` prints."""

    def to_json(self) -> str:
        """Return the explanation as the strict JSON that the command writes."""
        return explanation_json.render(self)
