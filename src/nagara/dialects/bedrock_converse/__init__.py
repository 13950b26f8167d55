"""Amazon Bedrock's Converse: the one format in which AWS offers every conversation model.

It is spoken to providers only; no caller speaks it to us.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""
