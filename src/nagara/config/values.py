"""The values of the settings: defaults, then the file, then the environment, then the options.

Each value is checked against the table where it enters, and remembers where it came from. Later
sources win, but a mistake in an earlier one is still told.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network

from nagara.config.document import Document
from nagara.config.tables import Problems, nearest, read_tables, show
from nagara.domain.money import parse_dollars
from nagara.settings import (
    ENVIRONMENT_PREFIX,
    OTHER_VARIABLES,
    SECTIONS,
    TABLE,
    Setting,
    SettingValue,
)

TABLES = ("providers", "credentials", "models", "aliases")
"""The top-level tables that are not sections of settings."""
TRUTHS = {"true": True, "1": True, "yes": True, "on": True,
          "false": False, "0": False, "no": False, "off": False}  # fmt: skip

Values = dict[str, SettingValue]
Sources = dict[str, str]


def read_values(
    document: Document,
    env: Mapping[str, str],
    options: Mapping[str, SettingValue | None],
    problems: Problems,
    warnings: list[str],
) -> tuple[Values, Sources]:
    """The value and the source of every setting. Empty variables and None options are not set."""
    values: Values = {name: setting.default for name, setting in TABLE.items()}
    sources: Sources = dict.fromkeys(TABLE, "default")

    def take(name: str, value: object, where: str, source: str) -> None:
        checked = check_value(TABLE[name], value)
        if checked is None:
            shown = "not usable" if TABLE[name].row.schemes else show(value)
            problems.add(where, f"is {shown}; it has to be {TABLE[name].allowed}")
        else:
            values[name], sources[name] = checked, source

    _read_file(document, take, problems)
    warnings += [
        f"{sources[name]}: {name} holds a password; {setting.variable} keeps it out of the file"
        for name, setting in TABLE.items()
        if setting.row.schemes and has_password(str(values[name]))
    ]
    _read_environment(env, take, warnings)
    for name, option in options.items():
        if option is not None:
            take(name, option, f"--{name}", f"--{name}")
    return values, sources


Take = Callable[[str, object, str, str], None]


def _read_file(document: Document, take: Take, problems: Problems) -> None:
    for section in document.values:
        if section not in SECTIONS and section not in TABLES:
            advice = _advise(section, [*SECTIONS, *TABLES, *TABLE])
            problems.add(document.where(section), f"is not known{advice}")
    for section in SECTIONS:
        for name, value in read_tables(document, section, problems).items():
            where, line = document.where(section, name), document.line((section, name))
            if name in TABLE and TABLE[name].row.section == section:
                take(name, value, where, f"{document.name}:{line}")
            else:
                mates = [s.name for s in TABLE.values() if s.row.section == section]
                problems.add(where, f"is not known{_advise(name, mates)}")


def _advise(name: str, known: Iterable[str]) -> str:
    if name in TABLE:
        return f"; it belongs in [{TABLE[name].row.section}]"
    return nearest(name, known)


def _read_environment(env: Mapping[str, str], take: Take, warnings: list[str]) -> None:
    by_variable = {setting.variable: setting for setting in TABLE.values()}
    for variable in sorted(env):
        text = env[variable].strip()
        if variable in by_variable:
            if text:
                setting = by_variable[variable]
                take(setting.name, parse_text(setting, text), variable, variable)
        elif variable.startswith(ENVIRONMENT_PREFIX) and variable not in OTHER_VARIABLES:
            warnings.append(f"{variable} is no setting{nearest(variable, by_variable)}")


def parse_text(setting: Setting, text: str) -> object:
    """The text of a variable as the setting's type; the text itself if it is none of that type."""
    try:
        if setting.type is bool:
            return TRUTHS.get(text.lower(), text)
        if setting.type is int:
            return int(text)
        if setting.type is float:
            return float(text)
    except ValueError:
        return text
    if setting.type is str:
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def check_value(setting: Setting, value: object) -> SettingValue | None:
    """The value as the setting's type, or None if the table does not allow it."""
    row = setting.row
    if setting.type is bool:
        return value if isinstance(value, bool) else None
    if setting.type in (int, float):
        return _check_number(setting, value)
    if setting.type is str:
        is_text = isinstance(value, str) and (value == "" or value.isprintable())
        if not is_text or (row.choices and value not in row.choices):
            return None
        assert isinstance(value, str)
        if value and row.schemes and not value.startswith(row.schemes):
            return None
        needs_text = setting.default != "" and not value
        return None if needs_text or (row.is_dollars and not _is_amount(value)) else value
    items = tuple(value) if isinstance(value, list | tuple) else ()
    is_list = isinstance(value, list | tuple) and all(isinstance(item, str) for item in items)
    is_wrong = row.is_networks and not all(_is_network(str(item)) for item in items)
    return items if is_list and not is_wrong else None


def _check_number(setting: Setting, value: object) -> int | float | None:
    kinds = (int,) if setting.type is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return None
    row = setting.row
    assert row.at_least is not None
    assert row.at_most is not None
    # Neither NaN nor infinity is within bounds.
    if not row.at_least <= value <= row.at_most:
        return None
    return value if setting.type is int else float(value)


def has_password(address: str) -> bool:
    """Whether a password stands in the address, as far as one can see."""
    return bool(_PASSWORD.search(address))


def mask_address(address: str) -> str:
    """The address for people, without its password."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}****", address)


# Up to the last @ before the path: a password may hold one that should have been escaped.
_PASSWORD = re.compile(r"(://[^:/?#]*:)[^/?#]*(?=@)|([?&](?:password|sslpassword)=)[^&]*")


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_amount(text: str) -> bool:
    try:
        return parse_dollars(text) >= 0
    except ValueError:
        return False
