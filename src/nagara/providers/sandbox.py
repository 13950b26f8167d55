"""The sandbox: every operation, inside this process, with no upstream and no credential."""

from nagara.domain.catalog import Auth, Operation, Provider, Transport

PROVIDER = Provider(
    name="sandbox",
    display_name="Sandbox",
    homepage="",
    base_url=None,
    auth=Auth.NONE,
    # There is no address to call; which operations there are is all that these say.
    paths=dict.fromkeys(Operation, ""),
    transport=Transport.SANDBOX,
    is_credential_optional=True,
)
