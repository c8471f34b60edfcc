"""Groups of options: types whose fields say how each option is called, shown and read. Which there are is in options.py.

A group is spread into the parameters of a command (`takes_options`) and of a Python function (`spreads_options`); its fields
are also the keys of cestab.toml and the words of a `reproduce`.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache, wraps
from importlib import import_module
from os import PathLike
from types import NoneType
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints, is_typeddict

from cestab.commands import values
from cestab.errors import OptionName, UsageError

Reader = Callable[[str, Any], Any]  # of an option's name and its value
Parser = Callable[[str, Any], list[Any]]  # of its name and what is typed
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

Names = str | Sequence[str]  # here and below a single value counts as a list of one
Integers = int | Sequence[int]
Numbers = float | Sequence[float]
Size = str | int
FilePath = str | PathLike[str]
Label = str | float | Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a field says of its option; the field's name is that of Python's parameter.

    `flag` is its name in the shell where that is not the field's with dashes, `short` the letter beside it, `complete` gives
    the words that a shell completes. `read` checks a value, of a list each one; without it the type alone is checked.
    `noun` is what one value of a list is called where that is not the flag's words. `is_split`: commas separate values.
    """

    help: str
    panel: str | None = None
    metavar: str | None = None
    default: Any = None
    flag: str | None = None
    short: str | None = None
    complete: Callable[[], Iterable[str]] | None = None
    read: Reader | None = None
    noun: str | None = None
    is_split: bool = True


def registered(module: str, registry: str) -> Callable[[], Iterable[str]]:
    """Return the function of the names in a registry, whose module is imported only when a shell completes."""
    return lambda: vars(import_module(module))[registry]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Values of one type: the type in the shell, how the shell's is parsed, and how any other caller's is read."""

    shell: Any
    read: Reader
    parse: Parser | None = None
    is_list: bool = False


def _split(_option: str, given: str | list[str]) -> list[str]:
    """Return the items of a value, or of several, which may be comma lists."""
    texts = [given] if isinstance(given, str) else given
    return [item.strip() for text in texts for item in text.split(",") if item.strip()]


def _parser(number: Callable[[str], Any], what: str) -> Parser:
    def parse(option: str, given: str | list[str]) -> list[Any]:
        items = _split(option, given)
        try:
            return [number(item) for item in items]
        except ValueError:
            raise UsageError(OptionName(option), f" takes {what}, not '{','.join(items)}'") from None

    return parse


_parse_numbers = _parser(float, "numbers")
_KINDS: dict[Any, Kind] = {
    bool: Kind(shell=bool, read=values.read_flag),
    int: Kind(shell=int, read=values.read_integer),
    float: Kind(shell=float, read=values.read_number),
    str: Kind(shell=str, read=values.read_name),
    Size: Kind(shell=str, read=values.read_size),
    FilePath: Kind(shell=str, read=values.read_line),
    Label: Kind(shell=str, read=values.read_target),
    Sequence[float]: Kind(shell=str, read=values.read_numbers, parse=_parse_numbers),
    Names: Kind(shell=list[str], read=values.read_names, parse=_split, is_list=True),
    Integers: Kind(shell=list[str], read=values.read_integers, parse=_parser(int, "whole numbers"), is_list=True),
    Numbers: Kind(shell=list[str], read=values.read_numbers, parse=_parse_numbers, is_list=True),
}
KINDS = _KINDS | {either | None: kind for either, kind in _KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One option of a group: its field's name and type, what it says of itself, and what follows from these."""

    name: str
    type: Any
    option: Option

    @property
    def may_be_none(self) -> bool:
        return NoneType in get_args(self.type)

    @property
    def kind(self) -> Kind:
        return KINDS.get(self.type) or Kind(shell=self.type, read=lambda _option, value: value)

    @property
    def flag(self) -> str:
        """Its name in the shell."""
        return self.option.flag or "--" + self.name.replace("_", "-")

    @property
    def key(self) -> str:
        """Its name in cestab.toml: Python's word where it takes a list, else the shell's."""
        return self.name.replace("_", "-") if self.kind.is_list else self.flag.removeprefix("--")

    def read(self, value: object) -> Any:
        """Return a caller's value, checked."""
        option = self.option
        if not self.kind.is_list:
            return (option.read or self.kind.read)(self.name, value)
        noun = option.noun or self.flag.removeprefix("--").replace("-", " ")
        chosen = values.select(noun, self.kind.read(self.name, value))
        return chosen if option.read is None else tuple(option.read(self.name, item) for item in chosen)

    def parse(self, value: Any) -> Any:
        """Return the value that the shell's means."""
        parse = self.kind.parse if self.option.is_split else None
        return value if value is None or parse is None else parse(self.name, value)

    def shell_parameter(self) -> inspect.Parameter:
        """Return the parameter from which typer makes the option."""
        import typer

        option = self.option
        shell = self.kind.shell | None if self.may_be_none else self.kind.shell
        information = typer.Option(
            *([] if option.short is None else [option.short]),
            self.flag,
            help=option.help,
            metavar=option.metavar,
            rich_help_panel=option.panel,
            autocompletion=None if option.complete is None else _completer(option.complete),
        )
        return _keyword(self.name, option.default, Annotated[shell, information])


def _completer(words: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [word for word in words() if word.startswith(incomplete)]

    return complete


def _keyword(name: str, default: object, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


@cache
def fields_of(group: type) -> dict[str, Field]:
    """Return the options of a group by name."""
    hints = get_type_hints(group, include_extras=True).items()
    annotated = {name: get_args(hint) for name, hint in hints if get_origin(hint) is Annotated}
    return {name: Field(name=name, type=kind, option=option) for name, (kind, option) in annotated.items()}


def keys_of(*groups: type) -> dict[str, Field]:
    """Return the options of groups by their keys in cestab.toml."""
    return {field.key: field for group in groups for field in fields_of(group).values()}


def read_options(group: type, given: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of a group's options, checked; those that are None, by default or as given, are left out."""
    chosen = {name: given.get(name, field.option.default) for name, field in fields_of(group).items()}
    return {
        name: field.read(chosen[name])
        for name, field in fields_of(group).items()
        if not (field.may_be_none and chosen[name] is None)
    }


def write_words(group: type, given: Mapping[str, object]) -> list[str]:
    """Return the shell's words for the options that are given and not as by default."""
    words: list[str] = []
    for name, value in given.items():
        field = fields_of(group)[name]
        if value is True:
            words.append(field.flag)
        elif value not in (None, field.option.default):
            words += [field.flag, value if isinstance(value, str) else repr(value)]
    return words


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command for typer: its parameters that are groups are spread into one option for each of their fields."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if is_typeddict(kind) or is_dataclass(kind)}
    flags = {name: field.flag for group in groups.values() for name, field in fields_of(group).items()}

    def spell(option: OptionName) -> str:
        return f"{flags.get(option.name, option.name)} {option.value}".rstrip()

    @wraps(command)
    def run(**given: Any) -> None:
        try:
            for name, group in groups.items():
                given[name] = group(**{key: field.parse(given.pop(key)) for key, field in fields_of(group).items()})
            command(**given)
        except UsageError as error:
            raise type(error)(error.spell(spell)) from None

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += [field.shell_parameter() for field in fields_of(groups[name]).values()]
        else:
            parameters.append(_keyword(name, parameter.default, hints[name]))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def spreads_options(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function whose signature shows each option of its `**options: Unpack[GROUP]`, and that refuses any other."""
    own = inspect.signature(function)
    *first, last = own.parameters.values()
    (group,) = get_args(last.annotation)
    spread = [_keyword(name, field.option.default, field.type) for name, field in fields_of(group).items()]

    @wraps(function)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        for name in options:
            if name not in call.__signature__.parameters:  # type: ignore[attr-defined]
                raise TypeError(f"{function.__name__}() got an unexpected keyword argument '{name}'")
        return function(*arguments, **options)

    call.__signature__ = own.replace(parameters=[*first, *spread])  # type: ignore[attr-defined]
    return call
