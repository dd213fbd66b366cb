-- Bars of an hour and of a day: continuous aggregates where TimescaleDB has them, else tables that
-- barograph_refresh_aggregates() brings up to date. The rules are those of bars/resample.py: prices
-- are those of minutes with trades; where there are none, of all, which are the close before.

--@ if tables
CREATE TABLE bars_1h (
    "timestamp" timestamptz NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    venue text COLLATE "C" NOT NULL,
    open double precision,
    high double precision,
    low double precision,
    price double precision,
    volume double precision NOT NULL,
    notional double precision NOT NULL,
    vwap double precision,
    trade_count bigint NOT NULL,
    buy_volume double precision NOT NULL,
    sell_volume double precision NOT NULL,
    PRIMARY KEY (symbol, venue, "timestamp")
);

CREATE TABLE bars_1d (LIKE bars_1h INCLUDING ALL);

-- How far the tables have been refreshed: from all commits below next_pos of this content.
CREATE TABLE barograph_aggregates (
    lineage text NOT NULL,
    next_pos bigint NOT NULL
);
INSERT INTO barograph_aggregates VALUES ('', 0);

-- Brings the aggregates up to date; how many hours and days were made. Rows are committed with the tape
-- position in one transaction, so what was made from next_pos on is all that has changed, late
-- revisions too. Another lineage is another content: everything is made anew. Hours of
-- dropped partitions stay as they are, whatever comes late for them.
CREATE FUNCTION barograph_refresh_aggregates()
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC'
AS $$
DECLARE
    known record;
    now_lineage text;
    upto bigint;
    floor timestamptz;
    hours bigint;
    days bigint;
BEGIN
    SELECT * INTO known FROM barograph_aggregates FOR UPDATE;
    -- Before the rows are looked at: what is committed meanwhile is done again next time.
    SELECT coalesce(max(s.value), '') INTO now_lineage FROM barograph_state s WHERE s.name = 'lineage';
    SELECT coalesce(max(c.next_pos), 0) INTO upto FROM barograph_commits c;
    IF known.lineage <> now_lineage THEN
        DELETE FROM bars_1h;
        DELETE FROM bars_1d;
        known.next_pos := 0;
    END IF;
    SELECT coalesce(max(d.until), '-infinity') INTO floor FROM barograph_dropped d
    WHERE d.relation = 'market_microstructure' AND d.lineage = now_lineage;

    INSERT INTO bars_1h
    SELECT touched.hour, touched.symbol, touched.venue, made.*
    FROM (
        SELECT DISTINCT m.symbol, m.venue, date_trunc('hour', m."timestamp") AS hour
        FROM market_microstructure m WHERE m.tape_pos >= known.next_pos AND m."timestamp" >= floor
    ) touched
    CROSS JOIN LATERAL (
        SELECT
            coalesce((array_agg(m.open ORDER BY m."timestamp") FILTER (WHERE m.trade_count > 0))[1],
                (array_agg(m.open ORDER BY m."timestamp") FILTER (WHERE m.open IS NOT NULL))[1]),
            coalesce(max(m.high) FILTER (WHERE m.trade_count > 0), max(m.high)),
            coalesce(min(m.low) FILTER (WHERE m.trade_count > 0), min(m.low)),
            (array_agg(m.price ORDER BY m."timestamp" DESC) FILTER (WHERE m.price IS NOT NULL))[1],
            sum(m.volume ORDER BY m."timestamp"), sum(m.notional ORDER BY m."timestamp"),
            sum(m.notional ORDER BY m."timestamp") / nullif(sum(m.volume ORDER BY m."timestamp"), 0),
            sum(m.trade_count)::bigint,
            sum(m.buy_volume ORDER BY m."timestamp"), sum(m.sell_volume ORDER BY m."timestamp")
        FROM market_microstructure m
        WHERE m.symbol = touched.symbol AND m.venue = touched.venue
            AND m."timestamp" >= touched.hour AND m."timestamp" < touched.hour + INTERVAL '1 hour'
        HAVING count(*) > 0
    ) made
    ON CONFLICT (symbol, venue, "timestamp") DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low, price = excluded.price,
        volume = excluded.volume, notional = excluded.notional, vwap = excluded.vwap,
        trade_count = excluded.trade_count, buy_volume = excluded.buy_volume, sell_volume = excluded.sell_volume;
    GET DIAGNOSTICS hours = ROW_COUNT;

    INSERT INTO bars_1d
    SELECT touched.day, touched.symbol, touched.venue, made.*
    FROM (
        SELECT DISTINCT m.symbol, m.venue, date_trunc('day', m."timestamp") AS day
        FROM market_microstructure m WHERE m.tape_pos >= known.next_pos AND m."timestamp" >= floor
    ) touched
    CROSS JOIN LATERAL (
        SELECT
            coalesce((array_agg(m.open ORDER BY m."timestamp") FILTER (WHERE m.trade_count > 0))[1],
                (array_agg(m.open ORDER BY m."timestamp") FILTER (WHERE m.open IS NOT NULL))[1]),
            coalesce(max(m.high) FILTER (WHERE m.trade_count > 0), max(m.high)),
            coalesce(min(m.low) FILTER (WHERE m.trade_count > 0), min(m.low)),
            (array_agg(m.price ORDER BY m."timestamp" DESC) FILTER (WHERE m.price IS NOT NULL))[1],
            sum(m.volume ORDER BY m."timestamp"), sum(m.notional ORDER BY m."timestamp"),
            sum(m.notional ORDER BY m."timestamp") / nullif(sum(m.volume ORDER BY m."timestamp"), 0),
            sum(m.trade_count)::bigint,
            sum(m.buy_volume ORDER BY m."timestamp"), sum(m.sell_volume ORDER BY m."timestamp")
        FROM bars_1h m
        WHERE m.symbol = touched.symbol AND m.venue = touched.venue
            AND m."timestamp" >= touched.day AND m."timestamp" < touched.day + INTERVAL '1 day'
        HAVING count(*) > 0
    ) made
    ON CONFLICT (symbol, venue, "timestamp") DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low, price = excluded.price,
        volume = excluded.volume, notional = excluded.notional, vwap = excluded.vwap,
        trade_count = excluded.trade_count, buy_volume = excluded.buy_volume, sell_volume = excluded.sell_volume;
    GET DIAGNOSTICS days = ROW_COUNT;

    UPDATE barograph_aggregates SET lineage = now_lineage, next_pos = upto;
    RETURN hours + days;
END
$$;
--@ end
--@ if continuous
CREATE MATERIALIZED VIEW bars_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT {timescaledb}.time_bucket(INTERVAL '1 hour', m."timestamp") AS "timestamp", m.symbol, m.venue,
    coalesce({timescaledb}.first(m.open, CASE WHEN m.trade_count > 0 THEN m."timestamp" END),
        {timescaledb}.first(m.open, CASE WHEN m.open IS NOT NULL THEN m."timestamp" END)) AS open,
    coalesce(max(CASE WHEN m.trade_count > 0 THEN m.high END), max(m.high)) AS high,
    coalesce(min(CASE WHEN m.trade_count > 0 THEN m.low END), min(m.low)) AS low,
    {timescaledb}.last(m.price, CASE WHEN m.price IS NOT NULL THEN m."timestamp" END) AS price,
    sum(m.volume) AS volume, sum(m.notional) AS notional, sum(m.notional) / nullif(sum(m.volume), 0) AS vwap,
    sum(m.trade_count)::bigint AS trade_count, sum(m.buy_volume) AS buy_volume, sum(m.sell_volume) AS sell_volume
FROM market_microstructure m
GROUP BY 1, 2, 3
WITH NO DATA;

CREATE MATERIALIZED VIEW bars_1d
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT {timescaledb}.time_bucket(INTERVAL '1 day', m."timestamp") AS "timestamp", m.symbol, m.venue,
    coalesce({timescaledb}.first(m.open, CASE WHEN m.trade_count > 0 THEN m."timestamp" END),
        {timescaledb}.first(m.open, CASE WHEN m.open IS NOT NULL THEN m."timestamp" END)) AS open,
    coalesce(max(CASE WHEN m.trade_count > 0 THEN m.high END), max(m.high)) AS high,
    coalesce(min(CASE WHEN m.trade_count > 0 THEN m.low END), min(m.low)) AS low,
    {timescaledb}.last(m.price, CASE WHEN m.price IS NOT NULL THEN m."timestamp" END) AS price,
    sum(m.volume) AS volume, sum(m.notional) AS notional, sum(m.notional) / nullif(sum(m.volume), 0) AS vwap,
    sum(m.trade_count)::bigint AS trade_count, sum(m.buy_volume) AS buy_volume, sum(m.sell_volume) AS sell_volume
FROM market_microstructure m
GROUP BY 1, 2, 3
WITH NO DATA;

-- TimescaleDB does it by itself (see timescale.py); callers need not know.
CREATE FUNCTION barograph_refresh_aggregates() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
--@ end

REVOKE ALL ON FUNCTION barograph_refresh_aggregates() FROM PUBLIC;
