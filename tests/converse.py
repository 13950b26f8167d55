"""Holds a body for Bedrock's Converse against AWS's own model of the API, as botocore ships it.

botocore checks names, types and unions before it sends; the patterns, ranges and enumerations of
the same model are checked here as well, as the service does.
"""

import base64
import json
import re
from functools import cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator


@cache
def input_shape() -> Any:
    session = botocore.session.get_session()
    return session.get_service_model("bedrock-runtime").operation_model("Converse").input_shape


def find_faults(body: bytes, model: str = "anthropic.claude-sonnet-4-5-20250929-v1:0") -> list[str]:
    """What the service would refuse of a body, one line each."""
    faults: list[str] = []
    value = as_parameters(json.loads(body), input_shape(), "", faults)
    report = ParamValidator().validate({**value, "modelId": model}, input_shape())
    return faults + [line for line in report.generate_report().splitlines() if line]


def as_parameters(value: Any, shape: Any, path: str, faults: list[str]) -> Any:
    """The value as botocore's callers write it: bytes for blobs. Notes what is out of bounds."""
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            name: as_parameters(item, shape.members[name], f"{path}.{name}", faults)
            if name in shape.members
            else item
            for name, item in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        check_range(len(value), shape, path, faults)
        return [
            as_parameters(item, shape.member, f"{path}[{i}]", faults)
            for i, item in enumerate(value)
        ]
    if shape.type_name == "blob":
        return decode_blob(value, path, faults)
    if shape.type_name == "map" and isinstance(value, dict):
        check_range(len(value), shape, path, faults)
        for name, item in value.items():
            check_text(name, shape.key, path, faults)
            check_text(item, shape.value, path, faults)
    elif isinstance(value, str):
        check_text(value, shape, path, faults)
    elif isinstance(value, int | float):
        check_range(value, shape, path, faults)
    return value


def decode_blob(value: str, path: str, faults: list[str]) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        faults.append(f"{path}: it is not base64")
        return b"?"


def check_text(value: str, shape: Any, path: str, faults: list[str]) -> None:
    check_range(len(value), shape, path, faults)
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        faults.append(f"{path}: {value!r} is not {pattern}")
    if shape.enum and value not in shape.enum:
        faults.append(f"{path}: {value!r} is none of {shape.enum}")


def check_range(value: float, shape: Any, path: str, faults: list[str]) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and value < least) or (most is not None and value > most):
        faults.append(f"{path}: {value} is not from {least} to {most}")
