"""Requests are signed as botocore signs them, and as AWS documents it."""

import datetime
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from nagara.domain.catalog import Secret
from nagara.upstream.sigv4 import (
    DEFAULT_REGION,
    AwsCredential,
    Scope,
    Signable,
    find_region,
    read_aws_credential,
    sign,
)

NOW_S = 1_800_000_000
HOST = "bedrock-runtime.us-west-2.amazonaws.com"
SCOPE = Scope("us-west-2", "bedrock")
KEY = AwsCredential("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
TEMPORARY = AwsCredential("ASIAEXAMPLE", Secret("secret"), Secret("token/+=="))
SEGMENT = st.text("abcXYZ019-_.~:/ %é", min_size=1, max_size=12)


def as_botocore_signs(
    credential: AwsCredential, target: str, body: bytes, content_type: str | None
) -> dict[str, str]:
    token = credential.session_token.reveal() if credential.session_token else None
    headers = {"content-type": content_type} if content_type else {}
    request = AWSRequest("POST", f"https://{HOST}{target}", headers=headers, data=body)
    keys = Credentials(credential.access_key_id, credential.secret_access_key.reveal(), token)
    now = datetime.datetime.fromtimestamp(NOW_S, datetime.UTC).replace(tzinfo=None)
    # botocore reads the clock where it signs; there is no other way in.
    with patch("botocore.auth.get_current_datetime", lambda *_: now):
        SigV4Auth(keys, SCOPE.service, SCOPE.region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def as_we_sign(
    credential: AwsCredential, target: str, body: bytes, content_type: str | None = None
) -> dict[str, str]:
    headers = [(b"host", HOST.encode())]
    if content_type:
        headers.append((b"content-type", content_type.encode()))
    request = Signable(method=b"POST", target=target.encode(), headers=headers, body=body)
    signed = sign(request, credential, SCOPE, NOW_S)
    return {name.decode(): value.decode() for name, value in signed}


@pytest.mark.parametrize("credential", [KEY, TEMPORARY], ids=["lasting", "temporary"])
@pytest.mark.parametrize("content_type", [None, "application/json"])
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/model/us.amazon.nova-micro-v1%3A0/converse",
        "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3A"
        "application-inference-profile%2Fabc/converse-stream",
        "/a?b=2&a=1&a=0",
    ],
)
def test_signature_is_botocores(
    credential: AwsCredential, content_type: str | None, target: str
) -> None:
    expected = as_botocore_signs(credential, target, b'{"a":1}', content_type)
    ours = as_we_sign(credential, target, b'{"a":1}', content_type)
    assert ours == {name: expected[name] for name in ours}
    assert "authorization" in ours
    assert ("x-amz-security-token" in ours) == (credential is TEMPORARY)


@given(SEGMENT, st.binary(max_size=50))
@settings(deadline=None)
def test_signature_of_any_model_and_body_is_botocores(model: str, body: bytes) -> None:
    target = f"/model/m{quote(model, safe='')}/converse"
    expected = as_botocore_signs(KEY, target, body, None)
    assert as_we_sign(KEY, target, body)["authorization"] == expected["authorization"]


def test_credential_is_read_with_and_without_a_session_token() -> None:
    lasting, temporary = read_aws_credential("ID:SECRET"), read_aws_credential("ID:SECRET:TOKEN")
    assert lasting.access_key_id == temporary.access_key_id == "ID"
    assert lasting.secret_access_key.reveal() == "SECRET"
    assert lasting.session_token is None
    assert temporary.session_token is not None
    assert temporary.session_token.reveal() == "TOKEN"


@pytest.mark.parametrize("text", ["", "ID", "ID:", ":SECRET", "ID:SECRET:", "a:b:c:d"])
def test_text_of_another_form_is_no_credential_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="ACCESS_KEY_ID"):
        read_aws_credential(text)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("vpce-0a1.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("127.0.0.1", DEFAULT_REGION),
        ("gateway.example.com", DEFAULT_REGION),
    ],
)
def test_region_is_read_from_the_host(host: str, region: str) -> None:
    assert find_region(host) == region
