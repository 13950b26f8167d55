"""Values of every kind that the providers' own packages publish for an answer, made by rule.

Fields are filled by their type, optional ones too; texts say which field they are of.
"""

import base64
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

import botocore.session
import pydantic
from anthropic.types import ContentBlock
from anthropic.types.beta import BetaContentBlock
from openai.types.responses import ResponseOutputItem

DEPTH_MAX: Final = 7
UNIONS: Final = (typing.Union, types.UnionType)


def list_items() -> Iterator[dict[str, Any]]:
    """An output item of Responses of every type."""
    for kind in list_members(ResponseOutputItem):
        yield make_value(kind)
        yield make_value(kind, is_whole=False)


def list_blocks() -> Iterator[dict[str, Any]]:
    """A content block of Messages of every type, with every form of its content."""
    for kind in dict.fromkeys((*list_members(ContentBlock), *list_members(BetaContentBlock))):
        block = make_value(kind)
        yield block
        field = kind.model_fields.get("content")
        for form in list_members(field.annotation) if field is not None else ():
            yield block | {"content": make_value(form, "content")}


def list_converse_blocks() -> Iterator[dict[str, Any]]:
    """A content block of Converse of every kind."""
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.shape_for("ContentBlock")
    for name in shape.members:
        yield make_shape(shape, name)


def list_members(kind: Any) -> list[Any]:
    """The types of a union, those within its unions too."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return list_members(typing.get_args(kind)[0])
    if origin in UNIONS:
        said = [each for each in typing.get_args(kind) if each is not type(None)]
        return [member for each in said for member in list_members(each)]
    return [kind]


def make_value(kind: Any, name: str = "", depth: int = 0, *, is_whole: bool = True) -> Any:
    """A value of a type; without `is_whole` only what it requires."""
    origin, said = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return make_value(said[0], name, depth, is_whole=is_whole)
    if origin is typing.Literal:
        return said[0]
    if origin in UNIONS:
        return make_value(list_members(kind)[0], name, depth + 1, is_whole=is_whole)
    if origin is list:
        members = list_members(said[0]) if depth < DEPTH_MAX else ()
        return [make_value(member, name, depth + 1, is_whole=is_whole) for member in members]
    if origin is dict:
        return {"k": make_value(said[1], name, depth + 1)}
    if inspect.isclass(kind) and issubclass(kind, pydantic.BaseModel):
        return {
            field.alias or key: make_value(field.annotation, key, depth + 1, is_whole=is_whole)
            for key, field in kind.model_fields.items()
            if field.is_required() or (is_whole and depth < DEPTH_MAX)
        }
    return _PLAIN.get(kind, f"a {name}")


_PLAIN: Final[dict[Any, Any]] = {int: 7, float: 0.5, bool: False, object: {"x": 1}, Any: {"x": 1}}


def make_shape(shape: Any, member: str | None = None, depth: int = 0) -> Any:
    """A value of one of AWS's shapes; `member` of a union."""
    match shape.type_name:
        case "structure":
            if getattr(shape, "is_tagged_union", False):
                name = member or next(iter(shape.members))
                return {name: make_shape(shape.members[name], None, depth + 1)}
            members = shape.members if depth < DEPTH_MAX else {}
            return {name: make_shape(each, None, depth + 1) for name, each in members.items()}
        case "list":
            return [make_shape(shape.member, None, depth + 1)] if depth < DEPTH_MAX else []
        case "map":
            return {"k": make_shape(shape.value, None, depth + 1)}
        case "string":
            return shape.enum[0] if getattr(shape, "enum", None) else f"a {shape.name}"
        case "blob":
            return base64.b64encode(b"abc").decode()
        case "integer" | "long" | "float" | "double":
            return 7
        case "boolean":
            return False
    return {}
