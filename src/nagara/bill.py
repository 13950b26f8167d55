"""What one request owes: bounded and held before it is served, settled exactly once after.

    open()     the most that it can cost is held, or there is an error and no provider is asked
    charge()   what it was, and what it costs
    settle()   the charge is durable when this returns: awaited before an answer's end is sent
    void()     nothing is charged, for whatever reason the request failed; no-op once it is settled

A caller pays for what was delivered: a whole answer, or what a model wrote until the caller left.
An answer that failed on its way is not charged; what it cost the operator is recorded.
"""

import enum
from collections.abc import Awaitable, Sequence

import msgspec

from nagara.billing import (
    BoundLimits,
    Estimate,
    bound_charge,
    complete_images,
    complete_usage,
    count_sound,
    estimate_input,
    estimate_usage,
    find_rate_card,
    fit_output,
    is_nothing_to_hold,
    needs_price,
    not_enough_credit,
    price,
    price_output,
    price_plainly,
    settle_tier,
)
from nagara.domain.catalog import Account, Deployment, Key, KeyKind, Route, Snapshot
from nagara.domain.demand import Demand
from nagara.domain.errors import GatewayError
from nagara.domain.money import AMOUNT_NANO_MAX, Charge, format_dollars
from nagara.domain.rates import RateCard
from nagara.domain.usage import Usage
from nagara.observe.observations import RequestEnded
from nagara.outcomes import internal_error, interruption
from nagara.runtime import Clock
from nagara.settlement import Settlements
from nagara.storage.claims import Claim, Loss
from nagara.storage.driver import Statement
from nagara.storage.journal import RequestRecord, make_storable
from nagara.storage.ledger import Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.rate_cards import UsedCard
from nagara.upstream.reply import ResponseHeaders

NOTHING_USD = format_dollars(0)

# Looking up a member of an enum is a call, and every settlement asks for this one.
_TEST = KeyKind.TEST

HOLD_TRIES = 3
"""How often a hold is lowered to what is there, while others take it away."""


class Ending(enum.Enum):
    """How an answer that had begun came to its end."""

    DELIVERED = "whole"
    LEFT = "the caller did not wait for the rest, or it went beyond a bound of the gateway's"
    FAILED = "it broke off, or its provider said that it had failed"


# Looking up a member of an enum is a call, and every request asks for this one.
DELIVERED = Ending.DELIVERED


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays for a request, and by which card. `card` of None: nobody does."""

    snapshot: Snapshot
    account: Account
    key: Key
    route: Route
    card: RateCard | None
    demand: Demand
    came_at_ms: int

    @property
    def now_s(self) -> int:
        """The moment whose prices count."""
        return self.came_at_ms // 1000

    def find_card(self, model: str) -> RateCard | None:
        """The card in force of another model that a provider asks on the way."""
        route = self.snapshot.routes.get(model)
        return None if route is None else find_rate_card(route.prices, self.now_s)

    def find_cost(self, model: str, provider: str) -> RateCard | None:
        """The card by which that provider charges us for another model; else the list price."""
        route = self.snapshot.routes.get(model)
        for deployment in () if route is None else route.deployments:
            if deployment.name == provider and deployment.costs:
                return find_rate_card(deployment.costs, self.now_s)
        return self.find_card(model)


class Bill:
    """The bill of one request. `output_cap` is set when less output was paid for than asked for."""

    def __init__(
        self,
        request: str,
        terms: Terms,
        settlements: Settlements,
        limits: BoundLimits,
        clock: Clock,
        ended: RequestEnded,
        claim: Claim | None = None,
    ) -> None:
        """`request` is our own id of the request, which no other has.

        A `claim` is made with the hold, and settled with the charge.
        """
        self.output_cap: int | None = None
        self.is_settled = False
        self._request = request
        self._terms = terms
        self._settlements = settlements
        self._limits = limits
        self._clock = clock
        self._ended = ended
        self._claim = claim
        self._hold: Hold | None = None
        self._usage: Usage | None = None
        self._charge: Charge | None = None
        # What it cost the operator is found when it is settled, from these.
        self._measured: Usage | None = None
        self._deployment: Deployment | None = None
        self._is_whole = False
        self._ended_at_ms = 0

    @property
    def headers(self) -> ResponseHeaders:
        """What the caller is told beside the answer."""
        cap = self.output_cap
        return [] if cap is None else [(b"x-nagara-max-output-tokens", str(cap).encode())]

    def open(self) -> Awaitable[None] | None:
        """Hold the most that the request can cost, with less output if that is what can be paid.

        To be awaited, unless there is nothing to hold. Raises `GatewayError`: INSUFFICIENT_QUOTA,
        or STORAGE_UNAVAILABLE; INVALID_REQUEST for what has no price. Raises `ClaimTakenError` when
        another request has its key.
        """
        terms, card = self._terms, self._terms.card
        estimate: Estimate | None = None
        if card is not None and not is_nothing_to_hold(terms.demand, card):
            estimate = self._bound(card)
        if self._claim is None and (estimate is None or not estimate.needed_nano):
            return None
        return self._open(estimate)

    async def _open(self, estimate: Estimate | None) -> None:
        claim = self._claim
        if estimate is not None and estimate.needed_nano:
            await self._hold_money(estimate)
        elif claim is not None:
            await self._settlements.claim(claim)
        if claim is not None:
            claim.is_made = True

    def _bound(self, card: RateCard) -> Estimate:
        """The most that it can cost."""
        terms = self._terms
        estimate = bound_charge(
            terms.demand,
            terms.route.model,
            card,
            self._limits,
            account_markup_ppm=terms.account.markup_ppm,
            find_card=terms.find_card,
        )
        if estimate.unpriced and not self._limits.is_unpriced_free:
            raise needs_price(terms.route.model.id, estimate.unpriced)
        return estimate

    def _find_tokens_max(self) -> tuple[int | None, int | None]:
        """What was held for, in and out, of all answers together; None where nobody pays.

        Found again for the few answers that say nothing of their usage.
        """
        if self._terms.card is None:
            return None, None
        estimate = self._bound(self._terms.card)
        cap = estimate.output_tokens_max if self.output_cap is None else self.output_cap
        return estimate.input_tokens, cap * self._terms.demand.choice_count

    async def _hold_money(self, estimate: Estimate) -> None:
        # More than the ledger can hold is more than anybody has.
        amount_nano, shortage = estimate.needed_nano, None
        if amount_nano > AMOUNT_NANO_MAX:
            amount_nano = AMOUNT_NANO_MAX
        for _ in range(HOLD_TRIES):
            hold = Hold(
                id=self._request,
                account_id=self._terms.account.id,
                key_id=self._terms.key.id,
                amount_nano=amount_nano,
                made_at_ms=self._now_ms(),
            )
            shortage = await self._settlements.hold(hold, self._claim)
            if shortage is None:
                self._hold = hold
                return
            self.output_cap, amount_nano = self._lower(estimate, shortage)
        raise self._too_little(estimate, shortage or Shortage(0, None))

    def _lower(self, estimate: Estimate, shortage: Shortage) -> tuple[int, int]:
        """The output that what is left can pay, and what that costs. Raises `GatewayError`."""
        fits = fit_output(estimate, shortage.least_nano, self._limits)
        if fits is None or estimate.output_tokens_max == 0:
            raise self._too_little(estimate, shortage)
        return fits, price_output(estimate, fits)

    def _too_little(self, estimate: Estimate, shortage: Shortage) -> GatewayError:
        anything = msgspec.structs.replace(self._limits, useful_output_tokens=1)
        fits = fit_output(estimate, shortage.least_nano, anything)
        return not_enough_credit(estimate, shortage.least_nano, fits, is_key=shortage.is_of_key)

    def charge(
        self, usage: Usage | None, answer_bytes: int, deployment: Deployment, ending: Ending
    ) -> Usage:
        """What the answer was, by the provider's count or else by ours; and what that costs."""
        ended, terms, card, demand = self._ended, self._terms, self._terms.card, self._terms.demand
        is_whole = ending is DELIVERED
        if usage is not None and not usage.is_possible():
            usage = None
        measured = usage
        if demand.sound is not None:
            rates = None if card is None else card.rates_pico
            usage = count_sound(measured, demand, rates, is_whole=is_whole)
        elif usage is None or not is_whole:
            input_max, output_max = self._find_tokens_max()
            came = estimate_input(demand, input_max)
            if is_whole:
                usage = estimate_usage(came, answer_bytes, output_max)
            else:
                usage = complete_usage(usage, came, answer_bytes, output_max)
        if demand.images_max:
            came = estimate_input(demand, self._find_tokens_max()[0])
            usage = complete_images(usage, card, demand, came)
        self._usage, self._measured = usage, measured
        self._deployment, self._is_whole = deployment, is_whole
        ended.usage, ended.is_usage_estimated = usage.quantities, usage.is_estimated
        if card is not None and (is_whole or ending is not Ending.FAILED):
            tier = usage.service_tier
            if tier is not None:
                tier = settle_tier(card, demand.service_tier, tier)
            self._charge = price(
                usage,
                card,
                service_tier=tier,
                account_markup_ppm=terms.account.markup_ppm,
                find_card=terms.find_card,
            )
        charged_nano = 0 if self._charge is None else self._charge.amount_nano
        ended.charge_usd = format_dollars(charged_nano) if charged_nano else NOTHING_USD
        return usage

    def _find_used(self) -> tuple[UsedCard, ...]:
        """The cards that the charge names: its own, and those of models asked on the way."""
        charge, card = self._charge, self._terms.card
        if charge is None or card is None:
            return ()
        own = UsedCard(self._terms.route.model.id, card)
        if self._usage is None or not self._usage.rounds:
            return (own,)
        used = {charge.rate_card: own}
        for line in charge.lines:
            if line.model is not None and line.rate_card is not None:
                other = self._terms.find_card(line.model)
                if other is not None:
                    used.setdefault(other.version, UsedCard(line.model, other))
        return tuple(used.values())

    def _find_costs(self) -> tuple[tuple[str, int], ...]:
        """What the provider bills for it, by its name."""
        usage, deployment = self._usage, self._deployment
        if usage is None or deployment is None or not deployment.costs:
            return ()
        card = find_rate_card(deployment.costs, self._terms.came_at_ms // 1000)
        if card is None:
            return ()
        charge = self._charge
        if charge is not None and _is_at_cost(charge, usage, card):
            return ((deployment.name, charge.amount_nano),)
        if self._terms.demand.sound is not None:
            # The provider may count otherwise than the operator sells.
            demand, is_whole = self._terms.demand, self._is_whole
            usage = count_sound(self._measured, demand, card.rates_pico, is_whole=is_whole)
        cost_nano = price_plainly(usage, card, 0)
        if cost_nano is None:
            cost_nano = price(
                usage,
                card,
                service_tier=usage.service_tier,
                account_markup_ppm=0,
                find_card=lambda model: self._terms.find_cost(model, deployment.name),
            ).amount_nano
        return ((deployment.name, cost_nano),)

    def settle(self, extra: Sequence[Statement] = ()) -> Awaitable[None] | None:
        """Book what `charge` found. Once this was awaited it cannot be lost any more.

        `extra` is committed with it. Who pays nothing has nothing to await.
        """
        if not extra and self._is_free():
            self.settle_soon()
            return None
        if self.is_settled:
            return None
        self.is_settled = True
        self._ended_at_ms = self._now_ms()
        return self._settlements.settle(self._make_settlement(extra))

    def settle_soon(self) -> None:
        """As `settle`, for those who cannot wait."""
        if self.is_settled:
            return
        self.is_settled = True
        self._ended_at_ms = self._now_ms()
        if self._claim is None and self._is_free():
            self._settlements.settle_free(self._make_settlement)
        else:
            self._settlements.settle_later(self._make_settlement())

    def _is_free(self) -> bool:
        """Whether nobody waits for it, as `Settlement.is_free`."""
        charge = self._charge
        return self._hold is None and (charge is None or charge.amount_nano == 0)

    def void(self, error: BaseException) -> None:
        """Charge nothing, because of `error`."""
        if self.is_settled:
            return
        ended = self._ended
        told = internal_error() if isinstance(error, Exception) else interruption(ended)
        if isinstance(error, GatewayError):
            told = error
        ended.status, ended.outcome = told.status, "error"
        ended.error = told.code or told.kind.value.openai_type
        self._charge = None
        self.settle_soon()

    def _close_claim(self, claim: Claim) -> Statement:
        """What becomes of a claim whose answer is not there to be kept."""
        is_charged = self._charge is not None and self._charge.amount_nano > 0
        return claim.lost(Loss.CUT) if is_charged else claim.released()

    def _make_settlement(self, extra: Sequence[Statement] = ()) -> Settlement:
        if self._claim is not None:
            self._claim.is_settled = True
            extra = extra or (self._close_claim(self._claim),)
        ended, terms = self._ended, self._terms
        record = RequestRecord(
            id=self._request,
            request_id=ended.request_id,
            account_id=terms.account.id,
            key_id=terms.key.id,
            at_ms=terms.came_at_ms,
            # Plain text, which databases take at once.
            operation=str(ended.operation or ""),
            model=terms.route.model.id,
            status=ended.status,
            outcome=ended.outcome,
            # Somebody may have set the clock back meanwhile.
            duration_ms=max(0, self._ended_at_ms - terms.came_at_ms),
            provider=ended.provider,
            deployment=ended.deployment,
            attempts=ended.attempts,
            usage=self._usage,
            charge=self._charge,
        )
        # Apart from the rest, since most have none of it: a call with more than 15 names costs
        # four times as much as one with so many.
        is_test = terms.key.kind is _TEST
        first_byte_ms = ended.first_byte_ms
        is_streamed = ended.is_streamed or first_byte_ms is not None
        if is_test or is_streamed or ended.dropped or ended.error is not None:
            record = msgspec.structs.replace(
                record,
                error=None if ended.error is None else make_storable(ended.error),
                is_streamed=ended.is_streamed,
                is_test=is_test,
                first_byte_ms=None if first_byte_ms is None else int(first_byte_ms),
                dropped=make_storable(", ".join(ended.dropped)) if ended.dropped else None,
            )
        return Settlement(
            hold=self._hold,
            record=record,
            costs=self._find_costs(),
            cards=self._find_used(),
            extra=tuple(extra),
        )

    def _now_ms(self) -> int:
        return int(self._clock.now_s() * 1000)


def _is_at_cost(charge: Charge, usage: Usage, card: RateCard) -> bool:
    """Whether the charge is what the provider bills, as where nothing is put on its list price."""
    return (
        charge.rate_card == card.version
        and charge.markup_ppm == 0
        and charge.service_tier == usage.service_tier
        and not usage.rounds
    )
