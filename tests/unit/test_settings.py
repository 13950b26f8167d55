"""The table of settings is whole, and each value in it is one that it allows itself."""

import pytest

from nagara.config.values import check_value, parse_text
from nagara.settings import SECTIONS, TABLE, Setting, Settings

SETTINGS = list(TABLE.values())


def test_every_field_of_settings_is_in_the_table_and_nothing_else() -> None:
    assert list(TABLE) == list(Settings.__struct_fields__)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_setting_is_described(setting: Setting) -> None:
    assert setting.row.section in SECTIONS
    assert setting.row.help.endswith(".")
    assert setting.allowed


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_default_is_allowed(setting: Setting) -> None:
    assert check_value(setting, setting.default) == setting.default


@pytest.mark.parametrize(
    "setting", [s for s in SETTINGS if s.type in (int, float)], ids=lambda s: s.name
)
def test_number_has_both_bounds(setting: Setting) -> None:
    low, high = setting.row.at_least, setting.row.at_most
    assert low is not None
    assert high is not None
    assert low < high
    assert check_value(setting, low - 1) is None
    assert check_value(setting, high + 1) is None


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_time_or_size_names_its_unit(setting: Setting) -> None:
    words = ("timeout", "expiry", "grace", "wait", "alive", "stale", "bytes")
    assert setting.unit or not any(word in setting.name.split("_") for word in words)


@pytest.mark.parametrize("wrong", [None, [1], {"a": 1}, "\0", float("nan"), float("inf"), object()])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_value_of_another_type_is_refused(setting: Setting, wrong: object) -> None:
    assert check_value(setting, wrong) is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "9090", 9090),
        ("idle_timeout_s", "1.5", 1.5),
        ("drain_on_disconnect", "TRUE", True),
        ("drain_on_disconnect", "off", False),
        ("allowed_origins", "https://a.example, https://b.example,", ["https://a.example", "https://b.example"]),
        ("host", "0.0.0.0", "0.0.0.0"),
        ("port", "many", "many"),
        ("port", "9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_text_of_a_variable_is_read_as_its_type(name: str, text: str, value: object) -> None:
    assert parse_text(TABLE[name], text) == value


def test_opening_grant_is_in_nano_dollars() -> None:
    assert Settings(opening_grant_usd="12.5").opening_grant_nano == 12_500_000_000


@pytest.mark.parametrize("text", ["-1", "1e3", "", "ten"])
def test_opening_grant_that_is_no_amount_is_refused(text: str) -> None:
    assert check_value(TABLE["opening_grant_usd"], text) is None
