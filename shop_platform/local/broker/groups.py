"""One consumer group of the classic protocol as a state machine: members, generations, assignments.

The methods are not thread-safe (the coordinator holds a lock) and never block: a client that has to wait for the others
gets a Future. `now` is a monotonic time in seconds.
"""

import uuid
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from kio.schema.errors import ErrorCode

from .errors import BrokerError

INITIAL_REBALANCE_DELAY = 0.1  # lets members that start together share the first generation
_PENDING_MEMBER_SECONDS = 30.0


class State(StrEnum):
    """The states that DescribeGroups reports, under Kafka's names."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to JoinGroup; `members` (id, instance id, metadata) is for the leader only."""

    member_id: str
    generation: int
    leader: str
    protocol_type: str
    protocol: str
    members: list[tuple[str, str | None, bytes]]


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a client asks in JoinGroup; times in seconds."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    id_required: bool


@dataclass(slots=True)
class Member:
    """A member and what it waits for."""

    id: str
    request: JoinRequest
    deadline: float
    assignment: bytes = b""
    joining: "Future[Joined] | None" = None
    syncing: "Future[bytes] | None" = None
    protocols: dict[str, bytes] = field(default_factory=dict)

    @property
    def waiting(self) -> bool:
        """Whether a request of the member is unanswered; its heartbeats queue behind it then."""
        return self.joining is not None or self.syncing is not None

    def touch(self, now: float) -> None:
        """The member has shown that it lives."""
        self.deadline = now + self.request.session_timeout


class Group:
    """The members of one group and the generation they are in."""

    def __init__(self, group_id: str) -> None:
        self.id = group_id
        self.state = State.EMPTY
        self.generation = 0
        self.protocol_type = ""
        self.protocol = ""
        self.leader = ""
        self.members: dict[str, Member] = {}
        self._promised: dict[str, float] = {}  # ids given out with MEMBER_ID_REQUIRED -> until when
        self._rebalance_until = 0.0
        self._earliest_completion = 0.0

    # ---------------------------------------------------------------- requests

    def join(self, request: JoinRequest, now: float) -> "Future[Joined]":
        """Enter the next generation; the Future is done when all members have joined or were given up.

        Raises:
            BrokerError: MEMBER_ID_REQUIRED (message = the new id), UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or
                INCONSISTENT_GROUP_PROTOCOL.
        """
        self._check_protocols(request)
        member, is_new = self._member_for(request, now)
        unchanged = not is_new and member.protocols == dict(request.protocols)
        member.request, member.protocols = request, dict(request.protocols)
        member.touch(now)
        self._fail_waiting(member)
        future: Future[Joined] = Future()
        member.joining = future
        repeated = self.state is State.COMPLETING or (self.state is State.STABLE and member.id != self.leader)
        if unchanged and repeated:
            self._answer_join(member)  # the client lost our answer, or has nothing new to say
        else:
            self._prepare_rebalance(now)
        return future

    def _check_protocols(self, request: JoinRequest) -> None:
        names = {name for name, _ in request.protocols}
        others = [m for m in self.members.values() if m.id != request.member_id]
        clash = others and (
            request.protocol_type != self.protocol_type or not all(names & set(m.protocols) for m in others)
        )
        if not names or not request.protocol_type or clash:
            raise BrokerError(ErrorCode.inconsistent_group_protocol)

    def _member_for(self, request: JoinRequest, now: float) -> tuple[Member, bool]:
        """The member that joins, and whether it is new to the group."""
        twin = next((m for m in self.members.values() if self._is_instance(m, request.instance_id)), None)
        if request.member_id:
            known = self.members.get(request.member_id)
            if twin is not None and twin.id != request.member_id:
                raise BrokerError(ErrorCode.fenced_instance_id)
            if known is not None:
                return known, False
            if self._promised.pop(request.member_id, None) is None:
                raise BrokerError(ErrorCode.unknown_member_id)
            return self._add(request.member_id, request, now), True
        new_id = f"{request.instance_id or request.client_id}-{uuid.uuid4()}"
        if twin is not None:  # a restarted static member takes over its own place
            self._fail_waiting(twin, ErrorCode.fenced_instance_id)
            del self.members[twin.id]
            self.leader = new_id if self.leader == twin.id else self.leader
            twin.id = new_id
            self.members[new_id] = twin
            return twin, True
        if request.id_required and request.instance_id is None:
            self._promised[new_id] = now + _PENDING_MEMBER_SECONDS
            raise BrokerError(ErrorCode.member_id_required, new_id)
        return self._add(new_id, request, now), True

    @staticmethod
    def _is_instance(member: Member, instance_id: str | None) -> bool:
        return instance_id is not None and member.request.instance_id == instance_id

    def _add(self, member_id: str, request: JoinRequest, now: float) -> Member:
        member = self.members[member_id] = Member(member_id, request, now)
        self.protocol_type = request.protocol_type
        return member

    def sync(self, member_id: str, generation: int, assignments: dict[str, bytes], now: float) -> "Future[bytes]":
        """Hand in (leader) or ask for the assignment; the Future is done when the leader has handed it in."""
        member = self.check(member_id, generation)
        member.touch(now)
        future: Future[bytes] = Future()
        if self.state is State.PREPARING:
            raise BrokerError(ErrorCode.rebalance_in_progress)
        if self.state is State.STABLE:
            future.set_result(member.assignment)
            return future
        member.syncing = future
        if member_id == self.leader:
            self.state = State.STABLE
            for other in self.members.values():
                other.assignment = assignments.get(other.id, b"")
                if other.syncing is not None:
                    other.touch(now)
                    other.syncing.set_result(other.assignment)
                    other.syncing = None
        return future

    def heartbeat(self, member_id: str, generation: int, now: float) -> None:
        """Keep the session of a member alive.

        Raises:
            BrokerError: REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID or ILLEGAL_GENERATION.
        """
        self.check(member_id, generation).touch(now)
        if self.state is State.PREPARING:
            raise BrokerError(ErrorCode.rebalance_in_progress)

    def leave(self, member_id: str, instance_id: str | None, now: float) -> str:
        """Take a member out at once; returns its id.

        Raises:
            BrokerError: UNKNOWN_MEMBER_ID.
        """
        if not member_id and instance_id is not None:
            member_id = next((m.id for m in self.members.values() if self._is_instance(m, instance_id)), "")
        if self._promised.pop(member_id, None) is not None:
            self._complete_if_ready(now)
        elif member_id in self.members:
            self._remove(member_id, now)
        else:
            raise BrokerError(ErrorCode.unknown_member_id)
        return member_id

    def check(self, member_id: str, generation: int) -> Member:
        """The member, if it is in the current generation.

        Raises:
            BrokerError: UNKNOWN_MEMBER_ID or ILLEGAL_GENERATION.
        """
        member = self.members.get(member_id)
        if member is None:
            raise BrokerError(ErrorCode.unknown_member_id)
        if generation != self.generation:
            raise BrokerError(ErrorCode.illegal_generation)
        return member

    def commit_allowed(self, member_id: str, generation: int, now: float) -> None:
        """Whether an offset commit is accepted: from a current member, or from outside an empty group.

        Raises:
            BrokerError: UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION or REBALANCE_IN_PROGRESS.
        """
        if generation < 0 and not self.members:
            return
        self.check(member_id, generation).touch(now)
        if self.state is State.COMPLETING:
            raise BrokerError(ErrorCode.rebalance_in_progress)

    # ---------------------------------------------------------------- rebalance

    def _prepare_rebalance(self, now: float) -> None:
        if self.state is not State.PREPARING:
            delay = INITIAL_REBALANCE_DELAY if self.state is State.EMPTY else 0.0
            self._earliest_completion = now + delay
            timeouts = (m.request.rebalance_timeout for m in self.members.values())
            self._rebalance_until = now + max(timeouts, default=0.0)
            self.state = State.PREPARING
            for member in self.members.values():
                if member.syncing is not None:
                    member.touch(now)
                    member.syncing.set_exception(BrokerError(ErrorCode.rebalance_in_progress))
                    member.syncing = None
        self._complete_if_ready(now)

    def _complete_if_ready(self, now: float) -> None:
        if self.state is not State.PREPARING or now < self._earliest_completion:
            return
        if self._all_joined() or now >= self._rebalance_until:
            self._complete(now)

    def _complete(self, now: float) -> None:
        for member in list(self.members.values()):
            if member.joining is None and member.request.instance_id is None:
                del self.members[member.id]
        self.generation += 1
        if not self.members:
            self.state, self.leader, self.protocol = State.EMPTY, "", ""
            return
        self.protocol = self._vote()
        if self.leader not in self.members or self.members[self.leader].joining is None:
            self.leader = next((m.id for m in self.members.values() if m.joining), next(iter(self.members)))
        self.state = State.COMPLETING
        self._rebalance_until = now + max(m.request.rebalance_timeout for m in self.members.values())
        for member in self.members.values():
            if member.joining is not None:
                member.touch(now)
                self._answer_join(member)

    def _vote(self) -> str:
        """The protocol that most members prefer among those that all of them know."""
        common = set.intersection(*(set(m.protocols) for m in self.members.values()))
        votes = Counter(next(p for p in m.protocols if p in common) for m in self.members.values())
        return votes.most_common(1)[0][0]

    def _answer_join(self, member: Member) -> None:
        all_members = [(m.id, m.request.instance_id, m.protocols[self.protocol]) for m in self.members.values()]
        answer = Joined(
            member.id,
            self.generation,
            self.leader,
            self.protocol_type,
            self.protocol,
            all_members if member.id == self.leader else [],
        )
        if member.joining is not None:
            member.joining.set_result(answer)
            member.joining = None

    def _fail_waiting(self, member: Member, code: ErrorCode = ErrorCode.unknown_member_id) -> None:
        if member.joining is not None:
            member.joining.set_exception(BrokerError(code))
        if member.syncing is not None:
            member.syncing.set_exception(BrokerError(code))
        member.joining = member.syncing = None

    def _remove(self, member_id: str, now: float) -> None:
        self._fail_waiting(self.members.pop(member_id))
        if self.state in {State.STABLE, State.COMPLETING}:
            self._prepare_rebalance(now)
        else:
            self._complete_if_ready(now)

    # ---------------------------------------------------------------- time

    def tick(self, now: float) -> None:
        """Give up members whose session ended and rebalances that took too long."""
        for promised, until in list(self._promised.items()):
            if until <= now:
                del self._promised[promised]
        late = self.state is State.COMPLETING and now >= self._rebalance_until
        overdue = [m.id for m in self.members.values() if not m.waiting and (m.deadline <= now or late)]
        for member_id in overdue:
            if member_id in self.members:  # else the removal of another one ended the rebalance without it
                self._remove(member_id, now)
        self._complete_if_ready(now)

    def next_tick(self) -> float | None:
        """When `tick` has something to do next; None when nothing is due ever."""
        due = [member.deadline for member in self.members.values() if not member.waiting]
        due.extend(self._promised.values())
        if self.state is State.PREPARING:
            due.append(self._earliest_completion if self._all_joined() else self._rebalance_until)
        elif self.state is State.COMPLETING:
            due.append(self._rebalance_until)
        return min(due, default=None)

    def _all_joined(self) -> bool:
        return not self._promised and all(m.joining for m in self.members.values())

    def close(self) -> None:
        """The coordinator goes away: whoever waits is told to look for it again."""
        for member in self.members.values():
            self._fail_waiting(member, ErrorCode.not_coordinator)
