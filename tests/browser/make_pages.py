"""Write the pages that the browser looks at: of 10, about 500 and about 5,000 settings, and one of every command."""

import sys
from dataclasses import replace
from pathlib import Path

import cestab
from cestab.commands.app import run
from cestab.commands.sweep.answer import Report
from cestab.commands.sweep.page import to_page
from cestab.reports.page.render import render_page
from cestab.vocabulary.settings import SettingResult

HOSTILE = "<script>document.title = 'run'</script>"


def with_classes(result: SettingResult, classes: int) -> SettingResult:
    return replace(result, setting=replace(result.setting, classes=classes))


def grow(report: Report, times: int) -> Report:
    """Return a report with so many times the settings, each with other numbers of classes."""
    settings = [with_classes(r, r.setting.classes + 2000 * n) for n in range(times) for r in report.settings]
    return replace(report, settings=tuple(settings))


def rename(result: SettingResult) -> SettingResult:
    return replace(result, setting=replace(result.setting, formulation=HOSTILE))


def main(folder: Path) -> None:
    names = ["naive", "clipped", "log-sum-exp", "log-softmax", "compensated"]
    few = cestab.sweep(names, dtypes=["bfloat16"], classes=2, patterns="margin", curves=True)
    default = cestab.sweep(curves=True)
    hostile = replace(few, settings=tuple(map(rename, few.settings)))
    hostile = replace(hostile, request=replace(few.request, formulations=(HOSTILE,)))
    pages = {"few": few, "hostile": hostile, "default": default, "many": grow(default, 2), "most": grow(default, 18)}
    for name, report in pages.items():
        page = to_page(report, derives=name in ("few", "default"))
        (folder / f"{name}.html").write_text(render_page(page), encoding="utf-8")
        print(name, len(report.settings), "settings")
    for name, report in (("old", few), ("new", default)):
        (folder / f"{name}.json").write_text(report.to_json(), encoding="utf-8")
    (folder / "cestab.toml").write_text('[[audit]]\nformulations = "naive"\ndtypes = "float16"\nclasses = 2\n')
    digits = Path(__file__).parents[1] / "data" / "digits_logits.npz"
    for words in (
        ["compare", "naive", "compensated", "--dtype", "float16", "--classes", "2", "-o", f"{folder}/compare.html"],
        ["audit", str(digits), "-o", f"{folder}/audit.html"],
        ["advise", "--dtype", "float16", "--classes", "10", "-o", f"{folder}/advise.html"],
        ["check", "--config", f"{folder}/cestab.toml", "-o", f"{folder}/check.html"],
        ["diff", f"{folder}/old.json", f"{folder}/new.json", "-o", f"{folder}/diff.html"],
        ["report", f"{folder}/new.json", "-o", f"{folder}/report.html"],
    ):
        assert run(words) in (0, 1), words


if __name__ == "__main__":
    main(Path(sys.argv[1]))
