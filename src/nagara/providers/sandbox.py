"""The sandbox: every endpoint, inside this process, with no upstream and no credential."""

from nagara.domain.catalog import Auth, Operation, Provider, Transport

PROVIDER = Provider(
    name="sandbox",
    display_name="Sandbox",
    homepage="",
    base_url=None,
    auth=Auth.NONE,
    # There is no address to call; which operations there are is all that these say. What is asked
    # in Gemini's dialect is translated, as for any provider that does not speak it.
    paths=dict.fromkeys(
        (op for op in Operation if op not in (Operation.GENERATE_CONTENT, Operation.CONVERSE)), ""
    ),
    transport=Transport.SANDBOX,
    is_credential_optional=True,
)
