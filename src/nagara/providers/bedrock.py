"""Amazon Bedrock, through its OpenAI-compatible chat endpoint, with a Bedrock API key.

The region is AWS_REGION. Only the models for which AWS lists Chat Completions answer here.
"""

from nagara.domain.catalog import Operation, Provider

# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html
PROVIDER = Provider(
    name="bedrock",
    display_name="Amazon Bedrock",
    homepage="https://aws.amazon.com/bedrock",
    base_url="https://bedrock-runtime.{AWS_REGION}.amazonaws.com/openai/v1",
    base_url_env="BEDROCK_BASE_URL",
    base_url_defaults={"AWS_REGION": "us-east-1"},
    credential_env=("AWS_BEARER_TOKEN_BEDROCK",),
    paths={
        Operation.CHAT: "/chat/completions",
    },
)
