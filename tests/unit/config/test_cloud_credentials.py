"""Credentials of the clouds: spread over variables, kept in a file, presented as they look."""

import json
from pathlib import Path

import pytest

from nagara.config import providers
from nagara.config.load import load_config
from nagara.domain.catalog import Auth, ConfiguredProvider
from nagara.domain.configuration import ConfigError

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SERVICE_ACCOUNT = {
    "type": "service_account",
    "client_email": "gateway@project.iam.gserviceaccount.com",
    "private_key": "-----BEGIN PRIVATE KEY-----\nprivate part\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def find(tmp_path: Path, name: str, text: str = "", **env: str) -> ConfiguredProvider:
    path = tmp_path / "nagara.toml"
    path.write_text(text or f"[providers.{name}]")
    return load_config(path, env).declared.providers[name]


def problem_of(tmp_path: Path, name: str, text: str = "", **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        find(tmp_path, name, text, **env)
    return str(caught.value)


def auth_of(configured: ConfiguredProvider) -> Auth:
    return configured.provider.choose_auth(configured.credential)


def revealed(configured: ConfiguredProvider) -> str:
    assert configured.credential is not None
    return configured.credential.reveal()


def write_account(tmp_path: Path, **changes: str) -> str:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(SERVICE_ACCOUNT | changes, indent=2))
    return str(path)


def test_access_key_of_the_environment_signs_with_and_without_a_session(tmp_path: Path) -> None:
    env = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    lasting = find(tmp_path, "bedrock", **env)
    assert revealed(lasting) == f"{KEY_ID}:{SECRET_KEY}"
    assert lasting.credential_source == "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    temporary = find(tmp_path, "bedrock", AWS_SESSION_TOKEN="token==", **env)
    assert revealed(temporary) == f"{KEY_ID}:{SECRET_KEY}:token=="
    assert auth_of(lasting) is auth_of(temporary) is Auth.AWS_SIGV4


def test_api_key_goes_before_an_access_key(tmp_path: Path) -> None:
    env = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    found = find(tmp_path, "bedrock", AWS_BEARER_TOKEN_BEDROCK="ABSKabc", **env)
    assert revealed(found) == "ABSKabc"
    assert auth_of(found) is Auth.BEARER


def test_half_an_access_key_is_none(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, "bedrock", AWS_ACCESS_KEY_ID=KEY_ID)
    assert "set AWS_BEARER_TOKEN_BEDROCK" in problem


def test_credentials_for_a_whole_cloud_do_not_bring_a_provider_into_use(tmp_path: Path) -> None:
    config = load_config(
        None,
        {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "GOOGLE_APPLICATION_CREDENTIALS": write_account(tmp_path),
            "GOOGLE_CLOUD_PROJECT": "p",
        },
    )
    assert not config.declared.providers
    assert not config.warnings


def test_access_key_in_the_file_is_read_the_same(tmp_path: Path) -> None:
    text = '[providers.bedrock]\ncredential = "aws"\n[credentials.aws]\nenv = "MINE"'
    found = find(tmp_path, "bedrock", text, MINE=f"{KEY_ID}:{SECRET_KEY}")
    assert auth_of(found) is Auth.AWS_SIGV4
    problem = problem_of(tmp_path, "bedrock", text, MINE=f"{KEY_ID}:{SECRET_KEY}:a:b")
    assert "ACCESS_KEY_ID:SECRET_ACCESS_KEY" in problem
    assert SECRET_KEY not in problem


def test_service_account_is_read_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    account = write_account(tmp_path)
    found = find(
        tmp_path,
        "vertex",
        GOOGLE_APPLICATION_CREDENTIALS=account,
        GOOGLE_CLOUD_PROJECT="p",
        GOOGLE_CLOUD_LOCATION="europe-west4",
    )
    assert auth_of(found) is Auth.GOOGLE_OAUTH
    assert json.loads(revealed(found)) == SERVICE_ACCOUNT
    assert found.base_url == (
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
    )


def test_global_location_and_express_mode_have_addresses_of_their_own(tmp_path: Path) -> None:
    project = find(tmp_path, "vertex", VERTEX_ACCESS_TOKEN="ya29.x", GOOGLE_CLOUD_PROJECT="p")
    assert auth_of(project) is Auth.BEARER
    assert project.base_url == "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
    many = find(
        tmp_path,
        "vertex",
        VERTEX_ACCESS_TOKEN="ya29.x",
        GOOGLE_CLOUD_PROJECT="p",
        GOOGLE_CLOUD_LOCATION="eu",
    )
    assert many.base_url == ("https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu")
    express = find(tmp_path, "vertex", VERTEX_API_KEY="AQ.x")
    assert auth_of(express) is Auth.X_GOOG_API_KEY
    assert express.base_url == "https://aiplatform.googleapis.com/v1"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"private_key": ""}, "it has no private_key"),
        ({"type": "external_account"}, "must be service_account or authorized_user"),
        ({"type": "authorized_user"}, "it has no client_id"),
    ],
)
def test_credentials_file_that_cannot_work_is_told_at_the_start(
    tmp_path: Path, changes: dict[str, str], what: str
) -> None:
    env = {"GOOGLE_APPLICATION_CREDENTIALS": write_account(tmp_path, **changes)}
    problem = problem_of(tmp_path, "vertex", **env)
    assert what in problem
    assert "private part" not in problem


def test_credentials_file_that_breaks_off_or_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    assert "cannot be read" in problem_of(tmp_path, "vertex", **env)
    path.write_text('{"type": "service_account", "private_key": "half')
    assert "not whole JSON" in problem_of(tmp_path, "vertex", **env)


def test_missing_package_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "can_sign", lambda: False)
    env = {"GOOGLE_APPLICATION_CREDENTIALS": write_account(tmp_path)}
    assert "pip install 'nagara[vertex]'" in problem_of(tmp_path, "vertex", **env)
