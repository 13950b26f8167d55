"""The four verbs: query, commit, watch, close."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from nagara.storage.driver import (
    ConflictError,
    Driver,
    ExpectationError,
    Statement,
    StorageError,
)
from nagara.storage.keys import KEYS_CHANGED
from nagara.storage.migrations import load_migrations

SCHEMA = len(load_migrations())
Opener = Callable[[], Awaitable[Driver]]
INSERT = "INSERT INTO notes (number, text) VALUES ($1, $2)"


def insert(number: int, text: str = "") -> Statement:
    return Statement(INSERT, (number, text), rows_expected=1)


async def numbers(driver: Driver) -> list[int]:
    return [row[0] for row in await driver.query("SELECT number FROM notes ORDER BY number")]


@pytest.mark.parametrize(
    ("sql", "params", "row"),
    [
        ("SELECT $2 || '-' || $1", ("a", "b"), ("b-a",)),
        ("SELECT $1 || $1 || $2", ("a", "b"), ("aab",)),
        ("SELECT '$1' || $1", ("a",), ("$1a",)),
        ("SELECT 'it''s $2' || $1", ("a",), ("it's $2a",)),
        ("SELECT $1 || '?' -- not $2\n", ("a",), ("a?",)),
        ("SELECT $1 /* nor $2 */ || 'z'", ("a",), ("az",)),
        ('SELECT x."$2" || $1 FROM (SELECT \'q\' AS "$2") AS x', ("a",), ("qa",)),
        (
            "SELECT $10 || $1 || $2 || $3 || $4 || $5 || $6 || $7 || $8 || $9",
            tuple("abcdefghij"),
            ("jabcdefghi",),
        ),
    ],
)
async def test_placeholders_bind_by_number(
    driver: Driver, sql: str, params: tuple[str, ...], row: tuple[str]
) -> None:
    assert await driver.query(sql, params) == [row]


@pytest.mark.parametrize("value", [0, -1, 2**63 - 1, "", "ключ 🔑", "a\nb", None])
async def test_values_come_back_as_they_went_in(notes: Driver, value: int | str | None) -> None:
    column = "number" if isinstance(value, int) else "text"
    number = value if isinstance(value, int) else 1
    await notes.commit([insert(number, value if isinstance(value, str) else None)])  # type: ignore[arg-type]
    rows = await notes.query(f"SELECT {column} FROM notes WHERE number = $1", (number,))
    assert rows == [(value,)]


async def test_query_sees_the_commit_before_it(notes: Driver) -> None:
    for number in range(20):
        await notes.commit([insert(number)])
        assert await numbers(notes) == list(range(number + 1))


async def test_commit_says_what_each_statement_touched_and_returned(notes: Driver) -> None:
    results = await notes.commit(
        [
            insert(1),
            Statement("INSERT INTO notes (number) VALUES (2), (3) RETURNING number + 10"),
            Statement("UPDATE notes SET text = 'x' WHERE number > $1", (1,), rows_expected=2),
            Statement("DELETE FROM notes WHERE number = 99"),
        ]
    )
    assert [result.rows_touched for result in results] == [1, 2, 2, 0]
    assert results[1].rows == [(12,), (13,)]


async def test_unmet_expectation_names_its_statement_and_undoes_all(notes: Driver) -> None:
    with pytest.raises(ExpectationError) as caught:
        await notes.commit(
            [
                insert(1),
                Statement("UPDATE notes SET text = 'x' WHERE number = 7", (), rows_expected=1),
                insert(2),
            ]
        )
    assert (caught.value.index, caught.value.rows_expected, caught.value.rows) == (1, 1, 0)
    assert await numbers(notes) == []


async def test_conflict_names_its_statement_and_undoes_all(notes: Driver) -> None:
    await notes.commit([insert(5)])
    with pytest.raises(ConflictError) as caught:
        await notes.commit([insert(1), insert(2), insert(5)])
    assert caught.value.index == 2
    assert await numbers(notes) == [5]


async def test_wrong_sql_is_an_error_and_the_driver_works_on(notes: Driver) -> None:
    with pytest.raises(StorageError):
        await notes.commit([insert(1), Statement("INSERT INTO nowhere VALUES (1)")])
    with pytest.raises(StorageError):
        await notes.query("SELECT * FROM nowhere")
    await notes.commit([insert(2)])
    assert await numbers(notes) == [2]


@pytest.mark.parametrize("value", [2**63, "\udcff", object()])
async def test_value_that_cannot_be_stored_fails_its_own_commit_alone(
    notes: Driver, value: object
) -> None:
    bad = Statement(INSERT, (2, value))  # type: ignore[arg-type]
    bad_number = Statement(INSERT, (value, "x"))  # type: ignore[arg-type]
    results = await asyncio.gather(
        notes.commit([insert(1)]),
        notes.commit([bad if isinstance(value, str) else bad_number]),
        notes.commit([insert(3)]),
        return_exceptions=True,
    )
    assert isinstance(results[1], Exception)
    assert await numbers(notes) == [1, 3]


async def test_a_failing_commit_does_not_harm_those_that_commit_with_it(notes: Driver) -> None:
    await notes.commit([insert(1000)])
    commits = [
        notes.commit([insert(n), insert(1000) if n % 3 == 0 else insert(n + 500)])
        for n in range(200)
    ]
    results = await asyncio.gather(*commits, return_exceptions=True)
    failed = {n for n, result in enumerate(results) if isinstance(result, ConflictError)}
    assert failed == set(range(0, 200, 3))
    kept = set(range(200)) - failed
    assert set(await numbers(notes)) == kept | {n + 500 for n in kept} | {1000}


async def test_conditional_update_never_lets_a_balance_go_below_zero(notes: Driver) -> None:
    await notes.commit([Statement(INSERT, (100, "balance"))])
    spend = Statement(
        "UPDATE notes SET number = number - $1 WHERE text = 'balance' AND number >= $1",
        (3,),
        rows_expected=1,
    )
    results = await asyncio.gather(
        *(notes.commit([spend]) for _ in range(60)), return_exceptions=True
    )
    assert sum(isinstance(result, ExpectationError) for result in results) == 60 - 33
    assert await numbers(notes) == [1]


async def test_foreign_key_is_enforced(driver: Driver) -> None:
    with pytest.raises(ConflictError):
        await driver.commit(
            [
                Statement(
                    "INSERT INTO keys (account_id, name, kind, hint, created_at_s) "
                    "VALUES (77, 'x', 'standard', '', 0)"
                )
            ]
        )


async def test_caller_that_leaves_does_not_disturb_the_others(notes: Driver) -> None:
    leaving = asyncio.ensure_future(notes.commit([insert(1)]))
    staying = asyncio.ensure_future(notes.commit([insert(2)]))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert 2 in await numbers(notes)


async def test_watch_turns_at_once_and_after_own_and_others_changes(
    notes: Driver, open_driver: Opener
) -> None:
    other = await open_driver()
    watch = aiter(notes.watch())
    async with asyncio.timeout(5):
        await anext(watch)
        for number, writer in enumerate([notes, other, notes, other]):
            turn = asyncio.ensure_future(anext(watch))
            await writer.commit([insert(number), KEYS_CHANGED])
            async with asyncio.timeout(1):
                await turn
            assert number in await numbers(notes)
    await other.close()


async def test_watch_does_not_turn_while_nothing_changes(notes: Driver) -> None:
    watch = aiter(notes.watch())
    await anext(watch)
    turn = asyncio.ensure_future(anext(watch))
    done, _ = await asyncio.wait([turn], timeout=0.35)
    assert not done
    await notes.commit([KEYS_CHANGED])
    await turn


async def test_watch_ends_when_the_driver_is_closed(open_driver: Opener) -> None:
    driver = await open_driver()
    watch = aiter(driver.watch())
    await anext(watch)
    turn = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await driver.close()
    with pytest.raises(StopAsyncIteration):
        await turn


async def test_close_finishes_what_was_asked_for_and_may_be_repeated(
    notes: Driver, open_driver: Opener
) -> None:
    driver = await open_driver()
    commits = [asyncio.ensure_future(driver.commit([insert(n)])) for n in range(50)]
    await asyncio.sleep(0)
    await driver.close()
    await driver.close()
    await asyncio.gather(*commits)
    assert await numbers(notes) == list(range(50))


async def test_closed_driver_says_so(open_driver: Opener) -> None:
    driver = await open_driver()
    await driver.close()
    with pytest.raises(StorageError, match="closed"):
        await driver.query("SELECT 1")
    with pytest.raises(StorageError, match="closed"):
        await driver.commit([Statement("SELECT 1")])


async def test_opening_again_finds_the_schema_and_the_rows(open_driver: Opener) -> None:
    first = await open_driver()
    await first.commit(
        [Statement("INSERT INTO meta (name, value) VALUES ($1, $2)", ("x", b"\x00\xff"))]
    )
    await first.close()
    second = await open_driver()
    assert await second.query("SELECT value FROM meta WHERE name = 'x'") == [(b"\x00\xff",)]
    assert await second.query("SELECT COUNT(*) FROM schema_versions") == [(SCHEMA,)]
    await second.close()


async def test_many_starts_together_make_one_schema(open_driver: Opener) -> None:
    drivers = await asyncio.gather(*(open_driver() for _ in range(6)))
    assert await drivers[0].query("SELECT COUNT(*) FROM schema_versions") == [(SCHEMA,)]
    await asyncio.gather(*(driver.close() for driver in drivers))
