"""Voyage AI: embeddings."""

from nagara.domain.catalog import Operation, Provider

# https://docs.voyageai.com/reference/embeddings-api
PROVIDER = Provider(
    name="voyage",
    display_name="Voyage AI",
    homepage="https://www.voyageai.com",
    base_url="https://api.voyageai.com/v1",
    base_url_env="VOYAGE_BASE_URL",
    credential_env=("VOYAGE_API_KEY",),
    paths={
        Operation.EMBEDDINGS: "/embeddings",
    },
)
