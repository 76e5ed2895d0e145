"""The group state machine by itself, with a clock of its own: sessions, rebalances, fencing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kio.schema.errors import ErrorCode

from shop_platform.local.broker.errors import BrokerError
from shop_platform.local.broker.groups import INITIAL_REBALANCE_DELAY, Group, Joined, JoinRequest, State

SESSION, REBALANCE = 10.0, 60.0


def request(
    member_id: str = "",
    *,
    client: str = "c",
    instance: str | None = None,
    protocols: tuple[tuple[str, bytes], ...] = (("range", b"m"),),
    protocol_type: str = "consumer",
    id_required: bool = False,
) -> JoinRequest:
    return JoinRequest(
        member_id, instance, client, "/127.0.0.1", SESSION, REBALANCE, protocol_type, protocols, id_required
    )


def refused(code: ErrorCode, call: Callable[[], object]) -> str:
    with pytest.raises(BrokerError) as excinfo:
        call()
    assert excinfo.value.code is code
    return excinfo.value.message


def stable(*clients: str, now: float = 0.0) -> tuple[Group, list[str]]:
    """A stable group and its member ids, leader first."""
    group = Group("g")
    joins = [group.join(request(client=client), now) for client in clients]
    group.tick(now + INITIAL_REBALANCE_DELAY)
    answers = [join.result(0) for join in joins]
    leader = answers[0].leader
    ids = sorted((a.member_id for a in answers), key=lambda i: i != leader)
    for member in reversed(ids):
        group.sync(member, group.generation, {i: i.encode() for i in ids} if member == leader else {}, now)
    assert group.state is State.STABLE
    return group, ids


def test_members_that_start_together_share_the_first_generation() -> None:
    group = Group("g")
    joins = [group.join(request(client=c), 0.0) for c in "ab"]
    assert not any(join.done() for join in joins)
    group.tick(INITIAL_REBALANCE_DELAY)
    answers = [join.result(0) for join in joins]
    assert {a.generation for a in answers} == {1}
    leader = next(a for a in answers if a.member_id == a.leader)
    assert {m[0] for m in leader.members} == {a.member_id for a in answers}
    assert [a.members for a in answers if a is not leader] == [[]]


def test_followers_get_what_the_leader_assigned() -> None:
    group = Group("g")
    joins = [group.join(request(client=c), 0.0) for c in "ab"]
    group.tick(1.0)
    leader = joins[0].result(0).leader
    follower = next(j.result(0).member_id for j in joins if j.result(0).member_id != leader)
    waiting = group.sync(follower, 1, {}, 1.0)
    assert not waiting.done()
    group.sync(leader, 1, {leader: b"L", follower: b"F"}, 1.0)
    assert waiting.result(0) == b"F"
    assert group.sync(follower, 1, {}, 2.0).result(0) == b"F"


def test_a_silent_member_is_given_up_after_its_session_and_the_others_rebalance() -> None:
    group, (leader, follower) = stable("a", "b")
    for now in (4.0, 8.0, SESSION):
        group.heartbeat(leader, 1, now)
        group.tick(now)
    assert follower not in group.members
    refused(ErrorCode.rebalance_in_progress, lambda: group.heartbeat(leader, 1, SESSION))
    answer = group.join(request(leader), SESSION).result(0)
    assert (answer.generation, [m[0] for m in answer.members]) == (2, [leader])
    refused(ErrorCode.unknown_member_id, lambda: group.heartbeat(follower, 1, SESSION))


def test_a_member_that_waits_for_the_others_is_not_given_up() -> None:
    group, (leader, follower) = stable("a", "b")
    joining = group.join(request(leader, protocols=(("range", b"new"),)), 1.0)
    for now in range(2, 40):
        with pytest.raises(BrokerError):
            group.heartbeat(follower, 1, float(now))
        group.tick(float(now))
    assert leader in group.members
    assert not joining.done()


def test_a_member_that_does_not_join_in_time_is_left_behind() -> None:
    group, (leader, follower) = stable("a", "b")
    joining = group.join(request(leader), 1.0)
    for now in range(2, 62):
        if follower in group.members:
            with pytest.raises(BrokerError):
                group.heartbeat(follower, 1, float(now))
        group.tick(float(now))
    assert joining.result(0).generation == 2
    assert list(group.members) == [leader]


def test_a_leader_that_never_assigns_is_replaced() -> None:
    group = Group("g")
    joins = [group.join(request(client=c), 0.0) for c in "ab"]
    group.tick(1.0)
    leader = joins[0].result(0).leader
    follower = next(j.result(0).member_id for j in joins if j.result(0).member_id != leader)
    waiting = group.sync(follower, 1, {}, 1.0)
    group.tick(SESSION + 1.0)
    assert refused(ErrorCode.rebalance_in_progress, lambda: waiting.result(0))
    assert group.join(request(follower), SESSION + 1.0).result(0).leader == follower


def test_a_new_client_has_to_come_back_with_the_id_it_got() -> None:
    group = Group("g")
    promised = refused(ErrorCode.member_id_required, lambda: group.join(request(id_required=True), 0.0))
    joining = group.join(request(promised, id_required=True), 0.0)
    group.tick(1.0)
    assert joining.result(0).member_id == promised
    refused(ErrorCode.unknown_member_id, lambda: group.join(request("never-given"), 1.0))


def test_a_follower_that_joins_again_with_nothing_new_disturbs_nobody() -> None:
    group, (_, follower) = stable("a", "b")
    assert group.join(request(follower), 1.0).result(0).generation == 1
    assert group.state is State.STABLE


@pytest.mark.parametrize("who", [0, 1])
def test_a_member_with_news_starts_a_rebalance(who: int) -> None:
    group, ids = stable("a", "b")
    joining = group.join(request(ids[who], protocols=(("range", b"other topics"),)), 1.0)
    assert group.state is State.PREPARING
    group.join(request(ids[1 - who]), 1.0)
    assert joining.result(0).generation == 2


def test_the_last_to_leave_empties_the_group() -> None:
    group, ids = stable("a", "b")
    for member in ids:
        group.leave(member, None, 1.0)
    assert (group.state, group.members) == (State.EMPTY, {})
    refused(ErrorCode.unknown_member_id, lambda: group.leave(ids[0], None, 1.0))
    assert group.next_tick() is None


def test_members_without_a_common_protocol_cannot_meet() -> None:
    group, _ = stable("a")
    refused(ErrorCode.inconsistent_group_protocol, lambda: group.join(request(protocols=(("other", b""),)), 1.0))
    refused(ErrorCode.inconsistent_group_protocol, lambda: group.join(request(protocol_type="connect"), 1.0))
    refused(ErrorCode.inconsistent_group_protocol, lambda: group.join(request(protocols=()), 1.0))


def test_the_protocol_that_all_know_is_chosen() -> None:
    group = Group("g")
    first = group.join(request(protocols=(("new", b"1"), ("old", b"2"))), 0.0)
    group.join(request(protocols=(("old", b"3"),)), 0.0)
    group.tick(1.0)
    assert first.result(0).protocol == "old"


def test_a_stale_generation_is_refused() -> None:
    group, (leader, _) = stable("a", "b")
    refused(ErrorCode.illegal_generation, lambda: group.heartbeat(leader, 0, 1.0))
    refused(ErrorCode.illegal_generation, lambda: group.commit_allowed(leader, 0, 1.0))
    refused(ErrorCode.illegal_generation, lambda: group.sync(leader, 2, {}, 1.0))
    refused(ErrorCode.unknown_member_id, lambda: group.commit_allowed("stranger", 1, 1.0))
    group.commit_allowed(leader, 1, 1.0)


def test_a_restarted_static_member_replaces_its_former_self() -> None:
    group = Group("g")
    first = group.join(request(instance="i"), 0.0)
    group.tick(1.0)
    old = first.result(0).member_id
    group.sync(old, 1, {old: b"x"}, 1.0)
    second = group.join(request(instance="i"), 2.0).result(0)
    assert second.member_id != old
    assert list(group.members) == [second.member_id]
    refused(ErrorCode.fenced_instance_id, lambda: group.join(request(old, instance="i"), 3.0))


class GroupOfClients(RuleBasedStateMachine):
    """Clients that join, sync, beat, leave and die in any order: nobody waits for ever, one leader, one generation."""

    def __init__(self) -> None:
        super().__init__()
        self.group = Group("g")
        self.now = 0.0
        self.joins: dict[str, Future[Joined]] = {}
        self.generation = 0

    clients = st.sampled_from("abcd")

    def _id(self, client: str) -> str:
        join = self.joins.get(client)
        if join is None or not join.done() or join.exception():
            return ""
        member = join.result().member_id
        return member if member in self.group.members else ""

    def _waiting(self, client: str) -> bool:
        return client in self.joins and not self.joins[client].done()

    @rule(client=clients, metadata=st.binary(max_size=1))
    def join(self, client: str, metadata: bytes) -> None:
        if not self._waiting(client):
            wanted = request(self._id(client), client=client, protocols=(("range", metadata),))
            self.joins[client] = self.group.join(wanted, self.now)

    @rule(client=clients)
    def sync(self, client: str) -> None:
        member = self._id(client)
        if member and not self._waiting(client):
            joined = self.joins[client].result()
            assignments = {m: m.encode() for m, _, _ in joined.members}
            try:
                future = self.group.sync(member, joined.generation, assignments, self.now)
            except BrokerError as error:
                assert error.code in {ErrorCode.rebalance_in_progress, ErrorCode.illegal_generation}
                return
            if future.done() and not future.exception() and joined.generation == self.group.generation:
                assert future.result() in {member.encode(), b""}

    @rule(client=clients)
    def leave(self, client: str) -> None:
        if member := self._id(client):
            self.group.leave(member, None, self.now)

    @rule(seconds=st.floats(0.01, 20.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.group.tick(self.now)

    @invariant()
    def generations_only_grow(self) -> None:
        assert self.group.generation >= self.generation
        self.generation = self.group.generation

    @invariant()
    def a_group_with_a_generation_has_a_leader_among_its_members(self) -> None:
        if self.group.state in {State.COMPLETING, State.STABLE}:
            assert self.group.leader in self.group.members
        assert (self.group.state is State.EMPTY) == (not self.group.members)

    @invariant()
    def whoever_waits_has_a_deadline(self) -> None:
        if any(m.waiting for m in self.group.members.values()):
            assert self.group.next_tick() is not None

    def teardown(self) -> None:
        for _ in range(20):
            self.now += REBALANCE + 1.0
            self.group.tick(self.now)
        assert not any(self._waiting(client) for client in "abcd")


GroupOfClients.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
test_groups_of_clients = GroupOfClients.TestCase
