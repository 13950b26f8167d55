"""The two ways from a caller to a deployment.

In the pass-through lane both speak the same dialect: bytes are forwarded and a copy is metered. In
the translated lane they do not, and the hub stands between. Either way an exchange is the same
thing to the pipeline: a body to send, and a reader for the answer, whole or streamed. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from nagara.dialects.addresses import (
    Fetched,
    Wanted,
    conversation_field,
    find_address,
    has_untaken,
    may_need_bytes,
    refuse_address,
    resolve_media,
)
from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.base import RequestView
from nagara.dialects.codec import AddressField, Frame, Inbound, Outbound, Target
from nagara.dialects.json_fields import NULL, read_fields, replace_model, write_fields
from nagara.dialects.openai_chat.traits import Trait as ChatTrait
from nagara.dialects.translation import AnswerTranslation, Translated, ask
from nagara.dialects.turns import Recall, restore_turns
from nagara.domain.catalog import Deployment, Operation
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.messages import Media, Request
from nagara.operations.conversation import DIALECTS
from nagara.operations.endpoint import Endpoint
from nagara.operations.guarding import READING, check_addresses, is_guarded
from nagara.operations.sound_lane import SoundLane
from nagara.operations.text_lane import TextLane, aim_at

# Looking up a member of an enum is a call, and every request asks for this one.
_UNASKED = ChatTrait.STREAMS_USAGE_UNASKED


class Bounds(msgspec.Struct, frozen=True):
    """How much of an answer is held at once."""

    event_bytes_max: int
    response_bytes_max: int


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane needs to know of one request; the same for every candidate.

    `seed` is unique to the request. `is_enveloped` says that it holds what another provider
    signed. `recall` gives turns that were kept for callers who cannot keep them.
    """

    endpoint: Endpoint
    view: RequestView
    request_id: str
    seed: str
    now_s: int
    is_enveloped: bool
    recall: Recall
    fetched: Fetched | None = None
    """The files that were fetched for it, by their addresses; None where nothing can be fetched."""


class Lane(Protocol):
    """One way to one deployment: what it is sent, and how its answer is read.

    Where there are `more_bodies`, each is a call of its own, and what is read are the answers to
    all of them (`join_answers`). `places` fill the provider's path. Files go into a form with the
    fields of `body` (`sends_form`), or into its JSON in base64. Where there is an `encoding`, the
    stream gives bare samples that are still to be put into that format.
    """

    operation: Operation
    body: bytes
    more_bodies: Sequence[bytes]
    places: Mapping[str, str]
    sends_form: bool
    encoding: str | None
    dropped: Sequence[str]
    is_pass_through: bool
    wanted: Sequence[Wanted]
    """Files to fetch before the lane can be taken: then it has to be chosen again."""

    def read_whole(self, body: bytes, bounds: Bounds, *, is_event_stream: bool) -> Translated:
        """The answer for a caller who wants it whole, however it came. Raises `GatewayError`."""

    def open_stream(self, bounds: Bounds, *, is_event_stream: bool) -> AnswerStream:
        """The answer for a caller who wants a stream, however it comes."""

    def choose_media_type(self, said: bytes, *, is_event_stream: bool) -> bytes | None:
        """What kind of answer the caller gets, by what the provider says; None for the usual.

        Raises `GatewayError` if it is no answer of the endpoint's.
        """


def choose_lane(asking: Asking, deployment: Deployment) -> Lane:
    """The lane to this deployment. Raises `GatewayError` (UNSUPPORTED) if there is none.

    Of the dialects that the provider speaks, the first that can carry the request is taken.
    """
    operation = asking.endpoint.operation
    caller = asking.endpoint.dialect
    is_direct = asking.endpoint.is_passed_through and operation in deployment.operations
    if is_direct and caller is not None and asking.view.is_plain:
        # Most requests: there are no files in it to fetch, and no signature to take out.
        if deployment.provider.picks_model_by:
            check_model(asking.view, deployment)
        if caller.NEEDED_EXTRAS:
            check_state(asking.view, caller, deployment)
        return PassThrough(asking, deployment)
    # A provider would refuse a signature that is not its own.
    is_passed = asking.endpoint.is_passed_through and not asking.is_enveloped
    if deployment.has(operation):
        check_model(asking.view, deployment)
        if caller is not None:
            check_state(asking.view, caller, deployment)
    if operation in READING and deployment.is_self_hosted:
        target = aim(deployment, DIALECTS[Operation.CHAT])
        check_addresses(asking.view.fields, deployment, target)
    if is_exchanged(asking.endpoint, deployment):
        return TextLane(asking.endpoint, asking.view, deployment, asking.seed, asking.now_s)
    if asking.endpoint.open_sound is not None:
        to = aim_at(deployment, operation, asking.view.model, asking.seed, asking.now_s)
        if to.form is not None:
            return SoundLane(operation, asking.endpoint.open_sound(asking.view, to))
    if caller is None:
        return PassThrough(asking, deployment)
    is_passed = is_passed and deployment.has(operation)
    if is_passed and not needs_files(asking, caller, deployment):
        return PassThrough(asking, deployment)
    refusal: GatewayError | None = None
    waiting: Lane | None = None
    request = read_request(asking, caller)
    for spoken in spoken_operations(deployment, operation):
        try:
            lane = TranslatedLane(asking, deployment, request, caller, spoken)
        except GatewayError as error:
            if error.kind is not ErrorKind.UNSUPPORTED:
                raise
            refusal = refusal or error
            continue
        # What one dialect has to be given as bytes, the next may take by its address.
        if not lane.wanted:
            return lane
        waiting = waiting or lane
    if waiting is not None:
        return waiting
    raise refusal or GatewayError(
        ErrorKind.UNSUPPORTED, f"{deployment.name} cannot hold a conversation.", param="model"
    )


def needs_files(asking: Asking, caller: Inbound, deployment: Deployment) -> bool:
    """Whether a request in the provider's own dialect has media that its server does not fetch.

    Such a request is not forwarded as it is: it is written anew, with the files in it.
    """
    upstream = DIALECTS.get(asking.endpoint.operation)
    raw = asking.view.fields.get(conversation_field(caller.NAME))
    if upstream is None or raw is None or asking.fetched is None:
        return False
    if deployment.is_self_hosted:
        target = aim(deployment, upstream)
        if is_guarded(deployment, target) and find_address(bytes(raw)) is not None:
            return True

    def is_taken(field: AddressField) -> bool:
        target = aim(deployment, upstream)
        if field.ability is not None:
            return target.can(field.ability)
        return not upstream.needs_bytes(Media(kind=field.kind, url="https://"), target)

    if not may_need_bytes(bytes(raw), upstream.ADDRESS_FIELDS, is_taken):
        return False
    try:
        request = read_request(asking, caller)
    except GatewayError:
        # What is wrong with it the provider says best.
        return False
    return has_untaken(request, upstream, aim(deployment, upstream))


def is_exchanged(endpoint: Endpoint, deployment: Deployment) -> bool:
    """Whether it is no conversation, and not passed on as it is."""
    if endpoint.open_exchange is None:
        return False
    form = deployment.provider.form_of(endpoint.operation, deployment.model)
    return form is not None or not endpoint.passes_usual_form


def check_model(view: RequestView, deployment: Deployment) -> None:
    """Refuse to name another model to a provider that would heed it: raises `GatewayError`.

    It is not held for, its price is another, and the key may not be allowed to use it.
    """
    for name in deployment.provider.picks_model_by & view.fields.keys():
        if view.fields[name] != NULL:
            raise GatewayError(
                ErrorKind.UNSUPPORTED,
                f"{name!r} would have {deployment.name} answer with another model than 'model' "
                "names. Leave it out: this gateway has fallbacks of its own.",
                param=name,
            )


def check_state(view: RequestView, caller: Inbound, deployment: Deployment) -> None:
    """Refuse to name what the provider keeps, unless all accounts may: raises `GatewayError`.

    All of them call with the gateway's one credential there, so an id that leaks from one account
    would open the conversation to any other.
    """
    if deployment.provider.is_state_shared:
        return
    for name in caller.NEEDED_EXTRAS & view.fields.keys():
        if view.fields[name] != NULL:
            raise GatewayError(
                ErrorKind.UNSUPPORTED,
                f"{name!r} names what {deployment.name} keeps under the gateway's credential, "
                "which all of its accounts share. Send it as 'instructions' and 'input', and "
                "continue by 'previous_response_id'; or the operator allows it: share_state = true "
                f"in [providers.{deployment.name}].",
                param=name,
            )


def next_lane(asking: Asking, narrowed: Deployment) -> Lane | None:
    """The lane to a deployment without the operation that it turned out to lack, if there is one.

    The request may need that very operation: then there is none either.
    """
    if not can_serve(narrowed, asking.endpoint):
        return None
    try:
        return choose_lane(asking, narrowed)
    except GatewayError:
        return None


def can_serve(deployment: Deployment, endpoint: Endpoint) -> bool:
    """Whether the deployment has the operation, or one that it can be translated to."""
    if deployment.has(endpoint.operation):
        return True
    is_translated = endpoint.dialect is not None
    return is_translated and any(spoken_operations(deployment, endpoint.operation))


def can_converse(deployment: Deployment) -> bool:
    """Whether the deployment has any conversation at all."""
    return any(deployment.has(operation) for operation in DIALECTS)


def spoken_operations(deployment: Deployment, first: Operation) -> Iterator[Operation]:
    """The conversations that it has, the caller's own first, then in the provider file's order."""
    if deployment.has(first):
        yield first
    for operation in deployment.provider.paths:
        if operation in DIALECTS and operation is not first and deployment.has(operation):
            yield operation


def read_request(asking: Asking, caller: Inbound) -> Request:
    """The canonical request. Raises `GatewayError` that names the wrong field."""
    view = asking.view
    request = caller.decode_request(write_fields(view.fields))
    return msgspec.structs.replace(request, model=view.model, is_streamed=view.is_streamed)


def aim(deployment: Deployment, dialect: Outbound) -> Target:
    """The deployment, as codecs see it."""
    provider = deployment.provider
    # The operator may have several of a kind, and knows each by the name given to it.
    has_own_name = deployment.name != provider.name
    return Target(
        provider=deployment.name if has_own_name else provider.display_name,
        model=deployment.model,
        maker=provider.signature_maker or provider.name,
        abilities=dialect.ABILITIES.varied(provider.adds, provider.lacks),
        traits=provider.traits,
    )


def frame_of(asking: Asking, request: Request) -> Frame:
    """What the caller's answer holds that the provider does not say."""
    return Frame(
        request=request,
        model=asking.view.model,
        seed=asking.seed,
        created_s=asking.now_s,
        request_id=asking.request_id,
    )


class PassThrough:
    """The lane of callers and deployments that speak the same dialect."""

    is_pass_through = True
    more_bodies: Sequence[bytes] = ()
    wanted: Sequence[Wanted] = ()
    places: Mapping[str, str] = {}
    sends_form = True
    encoding: str | None = None
    dropped: Sequence[str] = ()

    def __init__(self, asking: Asking, deployment: Deployment) -> None:
        endpoint, view, provider = asking.endpoint, asking.view, deployment.provider
        self.operation = endpoint.operation
        if endpoint.find_dropped is not None:
            self.dropped = endpoint.find_dropped(view)
        self._asks_usage = not view.has_usage_request and _UNASKED not in provider.traits
        self.body = endpoint.write_request(view, deployment.model, asks_usage=self._asks_usage)
        self._caller_model = view.model if deployment.model != view.model else None
        self._asking = asking
        self._deployment = deployment

    def read_whole(self, body: bytes, bounds: Bounds, *, is_event_stream: bool) -> Translated:
        """The provider's body with the caller's name of the model."""
        dialect = self._asking.endpoint.dialect
        if is_event_stream and dialect is not None:
            return self._converted(dialect).read_whole(
                body, bounds.event_bytes_max, is_event_stream=True
            )
        usage = self._asking.endpoint.read_usage(body)
        if self._caller_model is not None:
            body = replace_model(body, self._caller_model)
        return Translated(body, usage)

    def open_stream(self, bounds: Bounds, *, is_event_stream: bool) -> AnswerStream:
        """The provider's events as they are, metered."""
        endpoint = self._asking.endpoint
        if not is_event_stream and endpoint.dialect is not None:
            return self._converted(endpoint.dialect).open_stream(
                bounds.event_bytes_max, bounds.response_bytes_max, is_event_stream=False
            )
        if endpoint.forward_bytes is not None and not is_event_stream:
            return endpoint.forward_bytes(self._asking.view)
        assert endpoint.forward_stream is not None
        return endpoint.forward_stream(
            bounds.event_bytes_max, self._caller_model, hides_usage=self._asks_usage
        )

    def choose_media_type(self, said: bytes, *, is_event_stream: bool) -> bytes | None:
        """As the endpoint says, of what is no event stream."""
        choose = self._asking.endpoint.choose_media_type
        return None if choose is None or is_event_stream else choose(self._asking.view, said)

    def _converted(self, caller: Inbound) -> AnswerTranslation:
        """For a provider that streams what was wanted whole, or the other way round."""
        upstream = DIALECTS[self.operation]
        frame = frame_of(self._asking, read_request(self._asking, caller))
        return AnswerTranslation(caller, upstream, aim(self._deployment, upstream), frame)


class TranslatedLane:
    """The lane through the hub."""

    is_pass_through = False
    more_bodies: Sequence[bytes] = ()
    places: Mapping[str, str] = {}
    sends_form = False
    encoding: str | None = None
    dropped: Sequence[str]
    wanted: Sequence[Wanted]

    def __init__(
        self,
        asking: Asking,
        deployment: Deployment,
        request: Request,
        caller: Inbound,
        operation: Operation,
    ) -> None:
        """Raises `GatewayError` (UNSUPPORTED) for what this dialect or provider cannot carry."""
        upstream = DIALECTS[operation]
        target = aim(deployment, upstream)
        self.operation = operation
        restored = restore_turns(request, upstream.NAME, asking.recall)
        resolved = resolve_media(restored, upstream, target, asking.fetched, asking.view.fields)
        self.wanted = resolved.wanted
        # Asked even before its files are there: what is refused anyway is not fetched for.
        asked = ask(resolved.request, caller, upstream, target)
        if asking.fetched is not None and is_guarded(deployment, target):
            said = read_fields(asked.body).get(conversation_field(upstream.NAME), NULL)
            address = find_address(bytes(said))
            if address is not None:
                name = conversation_field(caller.NAME)
                raise refuse_address(asking.view.fields, address, name)
        self.body = b"" if self.wanted else asked.body
        self.dropped = asked.dropped
        frame = frame_of(asking, request)
        self._answer = AnswerTranslation(caller, upstream, target, frame, asked.names)

    def read_whole(self, body: bytes, bounds: Bounds, *, is_event_stream: bool) -> Translated:
        """The answer in the caller's dialect."""
        return self._answer.read_whole(
            body, bounds.event_bytes_max, is_event_stream=is_event_stream
        )

    def open_stream(self, bounds: Bounds, *, is_event_stream: bool) -> AnswerStream:
        """The answer as a stream of the caller's dialect."""
        return self._answer.open_stream(
            bounds.event_bytes_max, bounds.response_bytes_max, is_event_stream=is_event_stream
        )

    def choose_media_type(self, said: bytes, *, is_event_stream: bool) -> None:
        """The usual: it is written anew."""
