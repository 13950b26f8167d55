# ruff: noqa: E501 - a table of cases reads best as a table
"""A configuration from real files, whole or not at all."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagara.config.document import parse_document
from nagara.config.load import Config, find_data_folder, find_path, load_config
from nagara.domain.configuration import ConfigError
from nagara.settings import TABLE, Settings


class Loader:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "nagara.toml"

    def __call__(self, text: str, env: Mapping[str, str] | None = None) -> Config:
        self.path.write_text(text)
        return load_config(self.path, env or {})

    def problems(self, text: str, env: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self(text, env)
        return [p.removeprefix(f"{self.path}:") for p in caught.value.problems]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


def test_nothing_configured_is_the_defaults() -> None:
    config = load_config(None, {})
    assert config.settings == Settings()
    assert set(config.sources.values()) == {"default"}
    assert not config.declared.providers
    assert not config.warnings


def test_environment_wins_over_the_file_and_options_over_both(load: Loader) -> None:
    load.path.write_text('[server]\nport = 1001\nhost = "::1"\nbody_timeout_s = 3\n')
    env = {"NAGARA_PORT": "1002", "NAGARA_HOST": "0.0.0.0"}
    config = load_config(load.path, env, {"port": 1003, "host": None, "data": None})
    assert (config.settings.port, config.settings.host) == (1003, "0.0.0.0")
    assert config.settings.body_timeout_s == 3.0
    assert config.sources["port"] == "--port"
    assert config.sources["host"] == "NAGARA_HOST"
    assert config.sources["body_timeout_s"] == f"{load.path}:4"


def test_empty_variable_is_not_set() -> None:
    assert load_config(None, {"NAGARA_PORT": " "}).settings.port == Settings().port


def test_every_setting_can_be_set_in_the_environment() -> None:
    texts = {
        s.variable: {bool: "true", tuple[str, ...]: "ollama"}.get(s.type, str(s.default))  # type: ignore[call-overload]
        for s in TABLE.values()
    } | dict.fromkeys(
        ("NAGARA_TRUSTED_PROXIES", "NAGARA_FETCH_NETWORKS_ALLOWED"), "10.0.0.0/8, ::1"
    )
    sources = load_config(None, texts).sources
    # An empty text cannot be told from a variable that is not set.
    assert {n for n, s in sources.items() if s == "default"} == {
        "data",
        "ca_bundle",
        "database_url",
        "public_url",
    }


def test_unknown_variable_is_a_warning_that_names_the_nearest() -> None:
    others = {"NAGARA_CONFIG": "x", "NAGARA_SECRET": "y", "PORT": "2"}
    config = load_config(None, {"NAGARA_PROT": "1", **others})
    assert config.warnings == ('NAGARA_PROT is no setting; did you mean "NAGARA_PORT"?',)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prot = 1", '1: prot is not known; did you mean "port"?'),
        ("port = 1", "1: port is not known; it belongs in [server]"),
        ("[sever]", '1: sever is not known; did you mean "server"?'),
        ("[server]\nprot = 1", '2: server.prot is not known; did you mean "port"?'),
        ("[log]\nport = 1", "2: log.port is not known; it belongs in [server]"),
        (
            '[server]\ntrusted_proxies = ["10.0.0.0/33"]',
            "2: server.trusted_proxies is ['10.0.0.0/33']; it has to be a list of addresses or "
            "networks, such as 10.0.0.0/8",
        ),
        ("[server]\nport = -1", "2: server.port is -1; it has to be a whole number, 0 to 65535"),
        ("[server]\nport = true", "2: server.port is True; it has to be a whole number, 0 to 65535"),
        ("[server]\nport = 1.0", "2: server.port is 1.0; it has to be a whole number, 0 to 65535"),
        ('[server]\nhost = ""', "2: server.host is ''; it has to be text"),
        ("[server]\nallowed_origins = [1]", "2: server.allowed_origins is [1]; it has to be a list of text"),
        ('[log]\nlog_format = "xml"', '''2: log.log_format is 'xml'; it has to be "auto" or "human" or "json"'''),
        ('[keys]\nopening_grant_usd = "-1"', '''2: keys.opening_grant_usd is '-1'; it has to be US dollars as decimal text, such as "12.50"'''),
        ("[server]\nbody_timeout_s = nan", "2: server.body_timeout_s is nan; it has to be a number of seconds, 0.01 to 86400"),
        ("server = 1", "1: server has to be a table"),
        ("providers = []", "1: providers has to be a table"),
        ("[providers]\nopenai = 1", "2: providers.openai has to be a table"),
        ("[providers.opnai]", '1: providers.opnai is like no built-in provider; did you mean "openai"?'),
        ("[providers.zzzzzzzzzz]", '1: providers.zzzzzzzzzz is like no built-in provider; for an address of your own: kind = "compatible"'),
        ('[providers.a]\nkind = "compatible"', "1: providers.a needs a base_url"),
        ("[providers.openai]", "1: providers.openai has no credential: set OPENAI_API_KEY, or name one of [credentials]"),
        ('[providers.ollama]\nmodls = ["a"]', '2: providers.ollama.modls is not known; did you mean "models"?'),
        ("[providers.ollama]\nmodels = [1]", "2: providers.ollama.models has to be a list of text"),
        ("[providers.ollama]\nweight = 0", "2: providers.ollama.weight has to be a whole number, 1 to 1000000000"),
        ('[providers."a/b"]\nkind = "ollama"', "1: providers.a/b needs a name of letters, digits, dots, dashes and underscores"),
        ("[credentials.a]", "1: credentials.a needs exactly one of env, file, value"),
        ('[credentials.a]\nenvv = "A"', '2: credentials.a.envv is not known; did you mean "env"?'),
        ('[models."a b"]', "1: models.a b is no model id: it needs printable text, no spaces"),
        ("[models.a]\ncontext_window = 0", "2: models.a.context_window has to be a whole number, 1 to 1000000000"),
        ("[models.a]\nprices = { input_mtok = -1 }", '2: models.a.prices.input_mtok has to be a price in dollars, such as "0.10"'),
        ('[models.a]\nprices = { input_mtok = "NaN" }', '2: models.a.prices.input_mtok has to be a price in dollars, such as "0.10"'),
        ("[models.a]\nprices = { input_mtok = true }", "2: models.a.prices.input_mtok has to be a price, as text or a number"),
        ('[models.a]\nprices = { inpt_mtok = "1" }', '2: models.a.prices.inpt_mtok is not known; did you mean "input_mtok"?'),
        ('[models.a]\ndeployments = [{ provider = "openia", model = "m" }]', '''2: models.a.deployments names 'openia', which is no provider in use; did you mean "openai"?'''),
        ('[models.a]\ndeployments = [{ provider = "openai", model = "m" }]', '''2: models.a.deployments names 'openai', which is no provider in use: set OPENAI_API_KEY, or write [providers.openai]'''),
        ('[models.a]\ndeployments = [{ provider = "sandbox" }]', "2: models.a.deployments needs model"),
        ("[aliases]\na = 1", "2: aliases.a has to be the id of a model, as text"),
        ('[upstream]\ndiscover_local_servers = ["olama"]', '''discover_local_servers: 'olama' is no local server; did you mean "ollama"?'''),
    ],
)  # fmt: skip
def test_mistake_is_told_with_its_line_and_the_way_out(
    load: Loader, text: str, problem: str
) -> None:
    assert problem in load.problems(text)


@pytest.mark.parametrize("number", ["9" * 4000, "-" + "9" * 4000, "0x" + "f" * 9000, "1e400"])
@pytest.mark.parametrize(
    "place",
    [
        "[server]\nport = {}",
        "[server]\nbody_timeout_s = {}",
        "[providers.ollama]\nweight = {}",
        "[models.a]\nprices = {{ input_mtok = {} }}",
    ],
)
def test_enormous_number_is_a_problem(load: Loader, place: str, number: str) -> None:
    assert load.problems(place.format(number))


def test_all_mistakes_are_told_at_once(load: Loader) -> None:
    found = load.problems("[server]\nport = -1\nhost = 3\n[aliases]\na = 1\n[providers.opnai]\n")
    assert len(found) == 4


def test_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match=r"^NAGARA_PORT is 'x'; it has to be a whole number"):
        load_config(None, {"NAGARA_PORT": "x"})


def test_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.toml", {})


def test_folder_in_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, {})


def test_file_that_is_not_toml_is_a_problem_with_its_line(load: Loader) -> None:
    assert "line 2" in load.problems("[server]\nport == 1\n")[0]


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"a = " + b"[" * 100_000, b"a = " + b"9" * 100_000, b"x" * (2**20 + 1), b"\0"],
)
def test_bytes_that_cannot_be_read_are_a_problem(content: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_document("file", content)


NAMES = ["server", "port", "providers", "openai", "kind", "base_url", "credential", "models",
         "credentials", "env", "file", "value", "aliases", "prices", "input_mtok", "deployments",
         "provider", "model", "weight", "upstream", "discover_local_servers", "sandbox"]  # fmt: skip
LEAVES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=8), st.sampled_from(NAMES)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=5),
    ),
    max_leaves=20,
)


def encode_toml(value: object) -> str:
    if isinstance(value, dict):
        items = (f"{encode_toml(k)} = {encode_toml(v)}" for k, v in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(encode_toml, value)) + "]"
    if isinstance(value, str):
        text = "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in value)
        return f'"{text}"'
    return str(value).lower()


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), TREES, max_size=6))
def test_any_tree_loads_or_is_a_config_error(tree: dict[str, object]) -> None:
    text = "\n".join(f"{name} = {encode_toml(value)}" for name, value in tree.items())
    check_never_raises(text.encode(errors="surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes_load_or_are_a_config_error(content: bytes) -> None:
    check_never_raises(content)


def check_never_raises(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(content)
        file.flush()
        problems = problems_of(Path(file.name))
    assert problems is None or problems
    assert all(problem.isprintable() for problem in problems or ())


def problems_of(path: Path) -> tuple[str, ...] | None:
    try:
        load_config(path, {})
    except ConfigError as error:
        return error.problems
    return None


def test_file_is_the_options_then_the_environments_then_the_folders(tmp_path: Path) -> None:
    assert find_path(None, {}, tmp_path) is None
    (tmp_path / "nagara.toml").touch()
    assert find_path(None, {}, tmp_path) == tmp_path / "nagara.toml"
    assert find_path(None, {"NAGARA_CONFIG": "/e"}, tmp_path) == Path("/e")
    assert find_path("/o", {"NAGARA_CONFIG": "/e"}, tmp_path) == Path("/o")


def test_data_folder_is_the_users_own_unless_set() -> None:
    assert find_data_folder("/d", {}) == Path("/d")
    assert find_data_folder("", {"XDG_DATA_HOME": "/x"}) == Path("/x/nagara")
    assert find_data_folder("", {}) == Path.home() / ".local/share/nagara"
