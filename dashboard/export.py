"""The numbers behind each card as CSV, at an address that a script may read too."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask import Flask, Response, request

from dashboard import ids
from dashboard.data.periods import decode
from dashboard.data.pool import WarehouseNotReadyError, WarehouseUnavailableError
from dashboard.data.reader import Reader, Scope
from dashboard.figures.trend import align

Table = tuple[Sequence[str], Iterable[Sequence[Any]]]


def trend_rows(reader: Reader, scope: Scope) -> Table:
    """Return head and rows of the trend: one row per day."""
    head = ("date_day", "currency", "net_amount", "gross_amount", "orders_count", "compared_day", "compared_net_amount")
    aligned = align(reader.days(scope), scope.period, scope.compared, scope.coverage, scope.today)
    return head, (
        (row.day, scope.currency, row.net, row.gross, row.orders, row.compared_day, row.compared_net) for row in aligned
    )


def channel_rows(reader: Reader, scope: Scope) -> Table:
    """Return head and rows of the channel split."""
    return _split_rows("channel", "orders_count", reader.channels(scope), scope)


def category_rows(reader: Reader, scope: Scope) -> Table:
    """Return head and rows of the category split."""
    return _split_rows("category", "units", reader.categories(scope), scope)


def _split_rows(part: str, volume: str, rows: Sequence[Any], scope: Scope) -> Table:
    amounts = ("gross_amount", "discount_amount", "refund_amount", "net_amount")
    compared = scope.compared is not None
    head = (part, "currency", volume, *amounts, *(("compared_net_amount",) if compared else ()))
    return head, (
        (row.name, scope.currency, row.volume, row.gross, row.discount, row.refund, row.net)
        + ((row.previous_net,) if compared else ())
        for row in rows
    )


EXPORTS: dict[str, Callable[[Reader, Scope], Table]] = {
    ids.TREND: trend_rows,
    ids.CHANNELS: channel_rows,
    ids.CATEGORIES: category_rows,
}


def to_csv(table: Table) -> str:
    """Return RFC 4180 CSV; a text that a spreadsheet would run as a formula gets a quote in front."""
    head, rows = table
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(head)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def register(server: Flask, reader: Reader) -> None:
    """Serve ``/export/<card>.csv`` with the same search part as the page."""

    @server.get("/export/<name>.csv")
    def _export(name: str) -> Response:
        make = EXPORTS.get(name)
        if make is None:
            return Response(
                f"There is no export '{name}'; there are {', '.join(EXPORTS)}.\n", 404, mimetype="text/plain"
            )
        try:
            scope = reader.scope(decode(request.query_string.decode("utf-8", "replace")))
            if scope is None:
                return Response("The marts are empty.\n", 503, mimetype="text/plain")
            text = to_csv(make(reader, scope))
        except (WarehouseNotReadyError, WarehouseUnavailableError):
            return Response("The warehouse does not answer; try again.\n", 503, mimetype="text/plain")
        file = f"shop-{name}-{scope.period.start}-{scope.period.end}.csv"
        return Response(
            text,
            mimetype="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"},
        )
