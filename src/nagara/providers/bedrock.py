"""Amazon Bedrock: Converse, which all of its conversation models have, embeddings and rankings.

The region is AWS_REGION. A model is its id, or the ARN of an inference profile. The credential is
a Bedrock API key, or an AWS access key (`ID:SECRET` or `ID:SECRET:SESSION_TOKEN`) that signs each
request. Access keys in the environment are meant for all of AWS, so they alone do not bring the
provider into use: `[providers.bedrock]` in the file does.
"""

from nagara.dialects.embeddings.traits import Form
from nagara.dialects.rerank.wires import Form as RerankForm
from nagara.domain.catalog import Auth, Evidence, Operation, Provider

PROVIDER = Provider(
    name="bedrock",
    display_name="Amazon Bedrock",
    homepage="https://aws.amazon.com/bedrock",
    base_url="https://bedrock-runtime.{AWS_REGION}.amazonaws.com",
    base_url_env="BEDROCK_BASE_URL",
    base_url_defaults={"AWS_REGION": "us-east-1"},
    credential_env=("AWS_BEARER_TOKEN_BEDROCK",),
    credential_parts_env=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    # Access keys are capitals and digits; API keys hold no colon.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    credential_forms={r"[A-Z0-9]{16,128}:": Auth.AWS_SIGV4},
    paths={
        Operation.CONVERSE: "/model/{model}/converse",
        Operation.EMBEDDINGS: "/model/{model}/invoke",
        Operation.RERANK: "/model/{model}/invoke",
    },
    stream_paths={
        Operation.CONVERSE: "/model/{model}/converse-stream",
    },
    # InvokeModel takes what each maker likes, so a model's name has to say whose it is.
    forms={
        Operation.EMBEDDINGS: {
            r"titan-embed-(text-v1|g1)": Form.TITAN_V1,
            r"titan-embed-text": Form.TITAN,
            r"cohere\.embed": Form.COHERE_ON_BEDROCK,
            r"nova-.*embed": Form.NOVA,
        },
        Operation.RERANK: {"": RerankForm.COHERE_ON_BEDROCK},
    },
    models_without={
        Operation.CONVERSE: r"embed|rerank",
        Operation.RERANK: r"^(?!.*cohere\.rerank)",
        Operation.EMBEDDINGS: r"^(?!.*(titan-embed-(text|g1)|cohere\.embed|nova-.*embed))",
    },
    # Only Claude signs its reasoning here, and one platform's signatures are good on the others:
    # https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
    signature_maker="anthropic",
    evidence=Evidence(
        pages=(
            "https://github.com/boto/botocore/tree/develop/botocore/data/bedrock-runtime",
            "https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html",
            "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html",
            "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html",
            "https://docs.aws.amazon.com/bedrock/latest/userguide/model-card-cohere-rerank-3-5.html",
        ),
        checked_on="2026-11-30",
        unverified="that Qwen takes `reasoning_config`, beyond recorded answers; that Cohere's "
        "`k` is still read",
    ),
)
