"""Providers and credentials from the file and the environment, without showing a secret."""

from pathlib import Path

import pytest

from nagara.config.load import Config, load_config
from nagara.domain.catalog import ConfiguredProvider
from nagara.domain.configuration import ConfigError
from nagara.providers import PROVIDERS

SECRET = "sk-0123456789abcdefghij"
OWN_KEY = "ng-0123456789abcdefghij"


def load(tmp_path: Path, text: str = "", **env: str) -> Config:
    path = tmp_path / "nagara.toml"
    path.write_text(text)
    return load_config(path, env)


def problem_of(tmp_path: Path, text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **env)
    return str(caught.value)


def secret_of(configured: ConfiguredProvider) -> str | None:
    return configured.credential.reveal() if configured.credential else None


@pytest.mark.parametrize(
    "name",
    [p.name for p in PROVIDERS.values() if p.credential_env and not p.is_credential_optional],
)
def test_provider_is_found_by_its_credential(tmp_path: Path, name: str) -> None:
    variable = PROVIDERS[name].credential_env[0]
    env = {variable: SECRET, "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/"}
    found = load(tmp_path, **env).declared.providers
    assert list(found) == [name]
    assert secret_of(found[name]) == SECRET
    assert found[name].credential_source == variable
    assert "{" not in str(found[name].base_url)


@pytest.mark.parametrize("name", ["ollama", "vllm", "lmstudio", "llama_cpp"])
def test_local_server_is_found_by_its_address_without_credential(tmp_path: Path, name: str) -> None:
    provider = PROVIDERS[name]
    assert not load(tmp_path, **{provider.credential_env[0]: SECRET}).declared.providers
    assert provider.base_url_env is not None
    found = load(tmp_path, **{provider.base_url_env: "http://10.0.0.1:9/v1"}).declared.providers
    assert found[name].credential is None
    assert found[name].base_url == "http://10.0.0.1:9/v1"


def test_base_url_of_the_environment_is_honoured_and_the_files_wins(tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": "http://env.example/v1/"}
    assert load(tmp_path, **env).declared.providers["openai"].base_url == "http://env.example/v1"
    text = '[providers.openai]\nbase_url = "http://file.example/v1"'
    found = load(tmp_path, text, **env).declared.providers
    assert found["openai"].base_url == "http://file.example/v1"


def test_region_and_resource_are_part_of_the_address(tmp_path: Path) -> None:
    def bedrock(**env: str) -> str | None:
        env["AWS_BEARER_TOKEN_BEDROCK"] = SECRET
        return load(tmp_path, **env).declared.providers["bedrock"].base_url

    assert bedrock() == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert bedrock(AWS_REGION="eu-west-1") == ("https://bedrock-runtime.eu-west-1.amazonaws.com")
    env = {"AZURE_OPENAI_API_KEY": SECRET, "AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/"}
    azure = load(tmp_path, **env).declared.providers["azure"]
    assert azure.base_url == "https://r.openai.azure.com/openai/v1"


def test_provider_of_the_environment_without_an_address_is_left_out(tmp_path: Path) -> None:
    config = load(tmp_path, AZURE_OPENAI_API_KEY=SECRET)
    assert not config.declared.providers
    assert "set AZURE_OPENAI_ENDPOINT" in config.warnings[0]


def test_provider_that_is_switched_off_is_left_out(tmp_path: Path) -> None:
    config = load(tmp_path, "[providers.openai]\nenabled = false", OPENAI_API_KEY=SECRET)
    assert not config.declared.providers


def test_key_of_our_own_in_the_environment_is_left_out_with_a_warning(tmp_path: Path) -> None:
    config = load(tmp_path, OPENAI_API_KEY=OWN_KEY)
    assert not config.declared.providers
    assert "a key of Nagara's own" in config.warnings[0]
    assert OWN_KEY not in config.warnings[0]


def test_another_gateway_may_be_called_with_its_key(tmp_path: Path) -> None:
    text = '[providers.up]\nkind="compatible"\nbase_url="http://up.example/v1"\ncredential="k"\n'
    config = load(tmp_path, text + '[credentials.k]\nenv = "UP_KEY"', UP_KEY=OWN_KEY)
    assert secret_of(config.declared.providers["up"]) == OWN_KEY


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("127.0.0.1", "http://localhost:8080/v1"),
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://[::1]:8080/v1"),
        ("10.1.1.1", "http://10.1.1.1:8080/v1"),
    ],
)
def test_own_address_is_refused_as_a_loop(tmp_path: Path, host: str, base_url: str) -> None:
    text = f'[server]\nhost = "{host}"\n[providers.ollama]\nbase_url = "{base_url}"'
    assert "a loop" in problem_of(tmp_path, text)
    config = load(tmp_path, f'[server]\nhost = "{host}"', OLLAMA_BASE_URL=base_url)
    assert not config.declared.providers
    assert "a loop" in config.warnings[0]


def test_another_port_or_host_is_no_loop(tmp_path: Path) -> None:
    for base_url in ("http://localhost:8081/v1", "http://10.1.1.1:8080/v1"):
        assert load(tmp_path, OLLAMA_BASE_URL=base_url).declared.providers["ollama"]


@pytest.mark.parametrize(
    "base_url",
    ["ftp://a/b", "a.example/v1", "http://", "http://[::1", "http://a:99999", "http://u:p@a/v1",
     "http://a/v1?x=1", "http://a/v1#x", "http://a b/", "http://a/\\u00e9",
     "http://-a-/v1", "http://a..b/v1", "http://a:0/v1"],
)  # fmt: skip
def test_base_url_that_is_no_plain_address_is_refused(tmp_path: Path, base_url: str) -> None:
    assert "base_url" in problem_of(tmp_path, f'[providers.ollama]\nbase_url = "{base_url}"')


def test_credential_from_a_file_is_read_and_watched(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    text = f'[providers.openai]\ncredential = "m"\n[credentials.m]\nfile = "{file}"'
    config = load(tmp_path, text)
    assert secret_of(config.declared.providers["openai"]) == SECRET
    assert config.files == (file,)
    assert not config.warnings


def test_inline_credential_works_with_a_warning(tmp_path: Path) -> None:
    text = f'[providers.openai]\ncredential = "m"\n[credentials.m]\nvalue = "{SECRET}"'
    config = load(tmp_path, text)
    assert secret_of(config.declared.providers["openai"]) == SECRET
    assert "prefer env or file" in config.warnings[0]
    assert SECRET not in config.warnings[0]


@pytest.mark.parametrize(
    ("credential", "problem"),
    [
        ('env = "NONE"', "has no credential: NONE is empty or not set"),
        ('env = "ACCENT"', "cannot be sent in a header"),
        ('file = "/none/such"', "which cannot be read: No such file"),
        ('file = "/"', "which cannot be read"),
        ('value = "two words"', "cannot be sent in a header"),
    ],
)
def test_credential_that_cannot_be_had_is_a_problem(
    tmp_path: Path, credential: str, problem: str
) -> None:
    text = f'[providers.openai]\ncredential = "m"\n[credentials.m]\n{credential}'
    assert problem in problem_of(tmp_path, text, ACCENT="sk-é")


def test_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    text = f'[providers.openai]\ncredential = "{SECRET}"\n[credentials.m]\nenv = ["{SECRET}"]\n'
    text += f'[models.m]\ndeployments = [{{ provider="openai", model="m", credential="{SECRET}"}}]'
    problem = problem_of(tmp_path, text)
    assert "names no table in [credentials]" in problem
    assert SECRET not in problem


def test_deployment_may_have_a_credential_of_its_own(tmp_path: Path) -> None:
    text = (
        '[models.m]\ndeployments = [{ provider = "openai", model = "x", credential = "b" }]\n'
        '[credentials.b]\nenv = "B"'
    )
    config = load(tmp_path, text, OPENAI_API_KEY=SECRET, B="other-secret")
    deployment = config.declared.models[0].deployments[0]
    assert deployment.credential is not None
    assert deployment.credential.reveal() == "other-secret"


def test_local_servers_to_look_for_are_those_not_yet_in_use(tmp_path: Path) -> None:
    text = '[upstream]\ndiscover_local_servers = ["ollama", "vllm"]'
    config = load(tmp_path, text, VLLM_BASE_URL="http://localhost:8000/v1")
    assert [server.name for server in config.local_servers] == ["ollama"]
    assert list(config.declared.providers) == ["vllm"]


def test_configuration_cannot_be_printed_with_its_secrets(tmp_path: Path) -> None:
    assert SECRET not in repr(load(tmp_path, OPENAI_API_KEY=SECRET))


def test_state_of_a_provider_is_shared_only_if_the_file_says_so(tmp_path: Path) -> None:
    text = "[providers.openai]\n"
    for said, is_shared in (("", False), ("share_state = true", True)):
        [openai] = load(tmp_path, text + said, OPENAI_API_KEY=SECRET).declared.providers.values()
        assert openai.provider.is_state_shared is is_shared


def test_operations_of_the_file_are_all_that_a_provider_has_in_that_order(tmp_path: Path) -> None:
    text = '[providers.openai]\noperations = ["responses", "chat.completions"]'
    [openai] = load(tmp_path, text, OPENAI_API_KEY=SECRET).declared.providers.values()
    assert list(openai.provider.paths) == ["responses", "chat.completions"]


@pytest.mark.parametrize(
    ("operations", "advice"),
    [
        ('["response"]', 'did you mean "responses"?'),
        ('["converse"]', "it has responses, chat"),
        ("[]", "some"),
    ],
)
def test_operations_that_a_provider_cannot_have_are_a_problem(
    tmp_path: Path, operations: str, advice: str
) -> None:
    text = f"[providers.openai]\noperations = {operations}"
    assert advice in problem_of(tmp_path, text, OPENAI_API_KEY=SECRET)
