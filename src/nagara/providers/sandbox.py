"""The sandbox: every endpoint, inside this process, with no upstream and no credential."""

from nagara.domain.abilities import Abilities, Ability
from nagara.domain.catalog import Auth, Operation, Provider, Transport

_GOOGLES_AND_AMAZONS = frozenset(
    {Operation.GENERATE_CONTENT, Operation.COUNT_CONTENT_TOKENS, Operation.CONVERSE}
)

PROVIDER = Provider(
    name="sandbox",
    display_name="Sandbox",
    homepage="",
    base_url=None,
    auth=Auth.NONE,
    # There is no address to call; which operations there are is all that these say. What is asked
    # in Gemini's dialect is translated, as for any provider that does not speak it.
    paths={operation: "" for operation in Operation if operation not in _GOOGLES_AND_AMAZONS},
    transport=Transport.SANDBOX,
    is_credential_optional=True,
    # It looks at no file, so none is fetched for it.
    adds=Abilities(frozenset({Ability.IMAGE_URLS, Ability.FILE_URLS})),
)
