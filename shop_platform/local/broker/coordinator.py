"""The group coordinator: serialises access to the groups, watches their deadlines, keeps committed offsets."""

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import Future

from kio.schema.errors import ErrorCode

from .errors import BrokerError
from .groups import Group, Joined, JoinRequest, State
from .offsets import Committed, OffsetStore

_log = logging.getLogger(__name__)
# Kafka's group.min.session.timeout.ms and group.max.session.timeout.ms, in seconds
SESSION_TIMEOUT_RANGE = (6.0, 1800.0)


class GroupCoordinator:
    """All groups of the broker; its methods are thread-safe, `join` and `sync` wait for the other members.

    Every method raises BrokerError with the code that the client shall see.
    """

    def __init__(self, offsets: OffsetStore) -> None:
        self._offsets = offsets
        self._groups: dict[str, Group] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._timer = threading.Thread(target=self._watch_deadlines, name="group-timer", daemon=True)
        self._timer.start()

    def _watch_deadlines(self) -> None:
        with self._changed:
            while not self._closed:
                due = [at for group in self._groups.values() if (at := group.next_tick()) is not None]
                self._changed.wait(max(0.0, min(due) - time.monotonic()) if due else None)
                now = time.monotonic()
                for group in self._groups.values():
                    group.tick(now)

    def _group(self, group_id: str) -> Group:
        group = self._groups.get(group_id)
        if group is None:
            raise BrokerError(ErrorCode.unknown_member_id)
        return group

    # ---------------------------------------------------------------- membership

    def join(self, group_id: str, request: JoinRequest) -> Joined:
        """Join and wait for the new generation."""
        if not group_id:
            raise BrokerError(ErrorCode.invalid_group_id)
        if not SESSION_TIMEOUT_RANGE[0] <= request.session_timeout <= SESSION_TIMEOUT_RANGE[1]:
            raise BrokerError(ErrorCode.invalid_session_timeout)
        with self._changed:
            if self._closed:
                raise BrokerError(ErrorCode.not_coordinator)
            if group_id not in self._groups and request.member_id:
                raise BrokerError(ErrorCode.unknown_member_id)
            group = self._groups.setdefault(group_id, Group(group_id))
            future = group.join(request, time.monotonic())
            self._changed.notify()
        return future.result()

    def sync(self, group_id: str, member_id: str, generation: int, assignments: dict[str, bytes]) -> bytes:
        """Wait for the member's assignment in this generation."""
        with self._changed:
            group = self._group(group_id)
            future: Future[bytes] = group.sync(member_id, generation, assignments, time.monotonic())
            self._changed.notify()
        return future.result()

    def protocol_of(self, group_id: str) -> tuple[str, str]:
        """`(protocol type, protocol)` that the group agreed on."""
        with self._changed:
            group = self._group(group_id)
            return group.protocol_type, group.protocol

    def heartbeat(self, group_id: str, member_id: str, generation: int) -> None:
        """Keep a session alive."""
        with self._changed:
            self._group(group_id).heartbeat(member_id, generation, time.monotonic())

    def leave(self, group_id: str, member_id: str, instance_id: str | None) -> str:
        """Leave at once; returns the member's id."""
        with self._changed:
            left = self._group(group_id).leave(member_id, instance_id, time.monotonic())
            self._changed.notify()
            return left

    # ---------------------------------------------------------------- offsets

    def check_commit(self, group_id: str, member_id: str, generation: int) -> None:
        """Whether this client may commit now."""
        with self._changed:
            group = self._groups.get(group_id)
            if group is not None:
                group.commit_allowed(member_id, generation, time.monotonic())
            elif generation >= 0:
                raise BrokerError(ErrorCode.unknown_member_id)

    def commit(self, group_id: str, positions: Iterable[tuple[uuid.UUID, int, Committed]]) -> None:
        """Store offsets durably; NOT_COORDINATOR (the client retries) when the disk refuses, as Kafka does."""
        try:
            self._offsets.commit(group_id, positions)
        except sqlite3.Error as error:
            _log.error("offsets of group %s not committed: %s", group_id, error)
            raise BrokerError(ErrorCode.not_coordinator, f"offsets not committed: {error}") from error

    def committed(self, group_id: str) -> dict[tuple[uuid.UUID, int], Committed]:
        """The committed positions of a group."""
        return self._offsets.of_group(group_id)

    def forget_topic(self, topic_id: uuid.UUID) -> None:
        """Drop the offsets of a deleted topic; a failure leaves rows that no living topic id refers to."""
        try:
            self._offsets.forget_topic(topic_id)
        except sqlite3.Error as error:
            _log.warning("offsets of the deleted topic %s not removed: %s", topic_id, error)

    # ---------------------------------------------------------------- inspection

    def list_groups(self) -> list[tuple[str, str, str]]:
        """`(group id, protocol type, state)` of every group with members or committed offsets."""
        with self._changed:
            known = {g.id: (g.id, g.protocol_type, str(g.state)) for g in self._groups.values()}
        for group_id in self._offsets.groups():
            known.setdefault(group_id, (group_id, "consumer", str(State.EMPTY)))
        return list(known.values())

    def describe(self, group_id: str) -> tuple[str, str, str, list[tuple[str, str | None, str, str, bytes, bytes]]]:
        """`(state, protocol type, protocol, members)`; a member is id, instance, client, host, metadata, assignment."""
        with self._changed:
            group = self._groups.get(group_id)
            if group is None:
                state = State.EMPTY if group_id in self._offsets.groups() else State.DEAD
                return str(state), "consumer" if state is State.EMPTY else "", "", []
            members = [
                (
                    m.id,
                    m.request.instance_id,
                    m.request.client_id,
                    m.request.client_host,
                    m.protocols.get(group.protocol, b""),
                    m.assignment,
                )
                for m in group.members.values()
            ]
            return str(group.state), group.protocol_type, group.protocol, members

    def delete_group(self, group_id: str) -> None:
        """Forget an empty group and its offsets; NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND."""
        with self._changed:
            group = self._groups.get(group_id)
            if group is not None and group.members:
                raise BrokerError(ErrorCode.non_empty_group)
            known = self._groups.pop(group_id, None) is not None
            try:
                known = self._offsets.forget_group(group_id) or known
            except sqlite3.Error as error:
                raise BrokerError(ErrorCode.not_coordinator, str(error)) from error
        if not known:
            raise BrokerError(ErrorCode.group_id_not_found)

    def close(self) -> None:
        """Release everybody who waits and close the offsets."""
        with self._changed:
            self._closed = True
            for group in self._groups.values():
                group.close()
            self._changed.notify()
        self._timer.join(1.0)
        self._offsets.close()
