"""Today is the shop's: around midnight the server, which lives in UTC, is a day behind or ahead."""

from datetime import UTC, datetime

from dashboard.app import create_app
from dashboard.data.periods import Preset, Selection
from shop_platform.settings import Settings
from tests.dashboard import marts
from tests.dashboard.conftest import business_day


def test_today_by_the_real_clock_is_covered_and_has_its_numbers(empty_marts: Settings):
    marts.seed(empty_marts, business_day(empty_marts), datetime.now(UTC), days=3)
    app = create_app(empty_marts)
    try:
        today = app.reader.today()
        scope = app.reader.scope(Selection(preset=Preset.TODAY))
        assert scope is not None
        assert (scope.today, scope.period.start, scope.coverage.last_day) == (today, today, today)
        assert [day.orders > 0 for day in app.reader.days(scope)][-1]
    finally:
        app.warehouse.close()
