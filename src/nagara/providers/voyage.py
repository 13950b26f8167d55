"""Voyage AI: embeddings."""

from nagara.domain.catalog import Evidence, Operation, Provider

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
    evidence=Evidence(
        pages=("https://github.com/voyage-ai/voyageai-python",),
        checked_on="2026-11-23",
        unverified="whether OpenAI's `dimensions` and `encoding_format: float` are taken",
    ),
)
