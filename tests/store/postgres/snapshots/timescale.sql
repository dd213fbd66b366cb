-- 0001 tables
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('barograph migrations public', 0));
DO $$ BEGIN IF to_regnamespace('"public"') IS NULL THEN CREATE SCHEMA "public"; END IF; END $$;
SET LOCAL search_path TO "public", pg_temp;
SET LOCAL timezone TO 'UTC';
CREATE TABLE IF NOT EXISTS "public".barograph_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, ways text[] NOT NULL, made_by text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
-- The tables of rows, the words about them, and the functions that keep their partitions.
-- Frozen: a change is another migration. A test compares what this makes with schema.py.

CREATE TABLE barograph_state (
    name text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE barograph_commits (
    first_pos bigint NOT NULL,
    next_pos bigint NOT NULL,
    PRIMARY KEY (first_pos, next_pos)
);

CREATE TABLE barograph_roles (
    role text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('writer', 'reader'))
);

CREATE TABLE barograph_partitioned (
    relation text PRIMARY KEY,
    time_column text NOT NULL,
    period text NOT NULL CHECK (period IN ('day', 'month'))
);

CREATE TABLE barograph_dropped (
    relation text NOT NULL,
    name text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    lineage text NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO barograph_partitioned VALUES
    ('ticks', 'ts', 'day'),
    ('quotes', 'ts', 'day'),
    ('market_microstructure', 'timestamp', 'month'),
    ('anomaly_versions', 'ts', 'month'),
    ('rejects', 'recv_ts', 'month'),
    ('candles', 'timestamp', 'month'),
    ('coverage', 'minute', 'month');

CREATE TABLE ticks (
    ts timestamptz NOT NULL,
    recv_ts timestamptz NOT NULL,
    venue text COLLATE "C" NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    price double precision NOT NULL,
    size double precision NOT NULL,
    side smallint NOT NULL,
    trade_id bigint,
    seq bigint,
    flags smallint NOT NULL,
    tape_pos bigint NOT NULL,
    ordinal integer NOT NULL,
    PRIMARY KEY (symbol, venue, ts, tape_pos, ordinal)
)
;

CREATE TABLE quotes (
    ts timestamptz NOT NULL,
    recv_ts timestamptz NOT NULL,
    ts_estimated boolean NOT NULL,
    venue text COLLATE "C" NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    bid_price double precision NOT NULL,
    bid_size double precision,
    ask_price double precision NOT NULL,
    ask_size double precision,
    seq bigint,
    flags smallint NOT NULL,
    tape_pos bigint NOT NULL,
    ordinal integer NOT NULL,
    PRIMARY KEY (symbol, venue, ts, tape_pos, ordinal)
)
;

CREATE TABLE market_microstructure (
    "timestamp" timestamptz NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    venue text COLLATE "C" NOT NULL,
    open double precision,
    high double precision,
    low double precision,
    price double precision,
    exec_price double precision,
    volume double precision NOT NULL,
    notional double precision NOT NULL,
    vwap double precision,
    trade_count bigint NOT NULL,
    buy_volume double precision NOT NULL,
    sell_volume double precision NOT NULL,
    bid_price double precision,
    ask_price double precision,
    bid_ask_spread double precision,
    order_imbalance double precision,
    volatility_1min double precision,
    volume_spike_score double precision,
    price_change_pct double precision,
    rsi_14 double precision,
    revision integer NOT NULL,
    kernel_version integer NOT NULL,
    as_of timestamptz NOT NULL,
    tape_pos bigint NOT NULL,
    PRIMARY KEY (symbol, venue, "timestamp")
)
;

CREATE TABLE anomaly_versions (
    ts timestamptz NOT NULL,
    venue text COLLATE "C" NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    score double precision,
    threshold double precision NOT NULL,
    model_version text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    tape_pos bigint NOT NULL,
    PRIMARY KEY (symbol, venue, ts, kind)
)
;

CREATE TABLE rejects (
    recv_ts timestamptz NOT NULL,
    venue text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    excerpt text COLLATE "C" NOT NULL,
    tape_pos bigint NOT NULL,
    ordinal integer NOT NULL,
    PRIMARY KEY (recv_ts, tape_pos, ordinal)
)
;

CREATE TABLE candles (
    "timestamp" timestamptz NOT NULL,
    venue text COLLATE "C" NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    interval_s integer NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    price double precision NOT NULL,
    volume double precision,
    recv_ts timestamptz NOT NULL,
    tape_pos bigint NOT NULL,
    PRIMARY KEY (symbol, venue, interval_s, "timestamp")
)
;

CREATE TABLE coverage (
    minute timestamptz NOT NULL,
    venue text COLLATE "C" NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    messages bigint NOT NULL,
    reason text COLLATE "C",
    updated_at timestamptz NOT NULL,
    revision integer NOT NULL,
    tape_pos bigint NOT NULL,
    PRIMARY KEY (symbol, venue, channel, minute)
)
;

CREATE TABLE completed_trades (
    trade_key text COLLATE "C" NOT NULL,
    strategy text COLLATE "C" NOT NULL,
    venue text COLLATE "C" NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    quantity double precision NOT NULL,
    entry_ts timestamptz NOT NULL,
    entry_price double precision NOT NULL,
    exit_ts timestamptz NOT NULL,
    exit_price double precision NOT NULL,
    fees double precision NOT NULL,
    profit double precision NOT NULL,
    profit_pct double precision NOT NULL,
    reason text COLLATE "C" NOT NULL,
    entry_id text COLLATE "C" NOT NULL,
    exit_id text COLLATE "C" NOT NULL,
    bar_version bigint,
    exit_bar_version bigint,
    PRIMARY KEY (trade_key)
);

SELECT "public".create_hypertable('ticks', 'ts',
    chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
SELECT "public".create_hypertable('quotes', 'ts',
    chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
SELECT "public".create_hypertable('market_microstructure', 'timestamp',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT "public".create_hypertable('anomaly_versions', 'ts',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT "public".create_hypertable('rejects', 'recv_ts',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT "public".create_hypertable('candles', 'timestamp',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT "public".create_hypertable('coverage', 'minute',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
ALTER TABLE ticks SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'symbol, venue', timescaledb.compress_orderby = 'ts, tape_pos, ordinal');
ALTER TABLE quotes SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'symbol, venue', timescaledb.compress_orderby = 'ts, tape_pos, ordinal');
ALTER TABLE market_microstructure SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'symbol, venue', timescaledb.compress_orderby = '"timestamp"');
ALTER TABLE anomaly_versions SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'symbol, venue', timescaledb.compress_orderby = 'ts, kind');
ALTER TABLE rejects SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'venue', timescaledb.compress_orderby = 'recv_ts, tape_pos, ordinal');
ALTER TABLE candles SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'symbol, venue, interval_s', timescaledb.compress_orderby = '"timestamp"');
ALTER TABLE coverage SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'symbol, venue, channel', timescaledb.compress_orderby = 'minute');

-- What a backup's increment asks for: rows made from a tape position on.
CREATE INDEX ticks_tape_pos ON ticks USING brin (tape_pos) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX quotes_tape_pos ON quotes USING brin (tape_pos) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX market_microstructure_tape_pos ON market_microstructure
    USING brin (tape_pos) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX anomaly_versions_tape_pos ON anomaly_versions
    USING brin (tape_pos) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX rejects_tape_pos ON rejects USING brin (tape_pos) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX candles_tape_pos ON candles USING brin (tape_pos) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX coverage_tape_pos ON coverage USING brin (tape_pos) WITH (pages_per_range = 32, autosummarize = on);

CREATE INDEX market_microstructure_symbol_timestamp ON market_microstructure (symbol, "timestamp" DESC);
CREATE INDEX market_microstructure_spikes ON market_microstructure ("timestamp" DESC)
    WHERE volume_spike_score > 3;
CREATE INDEX anomaly_versions_ts ON anomaly_versions (ts DESC);

-- The pieces that the tables are cut into, whichever way.
CREATE VIEW barograph_partitions AS
SELECT p.relation, c.chunk_name::text AS name, c.range_start AS since, c.range_end AS until,
    nullif(child.reltuples, -1)::bigint AS rows, pg_total_relation_size(child.oid) AS bytes,
    c.is_compressed AS compressed
FROM barograph_partitioned p
JOIN timescaledb_information.chunks c ON c.hypertable_name = p.relation AND c.hypertable_schema = (
    SELECT n.nspname FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE t.oid = 'barograph_partitioned'::regclass)
JOIN pg_namespace n ON n.nspname = c.chunk_schema
JOIN pg_class child ON child.relname = c.chunk_name AND child.relnamespace = n.oid;

-- Makes the partitions of `relation` from the one that holds `since` to the one that holds `until`, as far
-- as they are not there; how many were made.
-- A partition is made beside the table and then attached: neither readers nor loads wait for that.
CREATE FUNCTION barograph_make_partitions(relation text, since timestamptz, until timestamptz)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC'
AS $$
DECLARE
    period text;
    step interval;
    name text;
    made integer := 0;
BEGIN
    SELECT p.period INTO period
    FROM barograph_partitioned p JOIN pg_class c ON c.oid = to_regclass(quote_ident(p.relation))
    WHERE p.relation = barograph_make_partitions.relation AND c.relkind = 'p';
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    step := ('1 ' || period)::interval;
    since := date_trunc(period, since);
    -- Each is locked several times until the transaction ends, and the server has some thousands of locks.
    IF until >= since + 500 * step THEN
        RAISE EXCEPTION 'partitions of % from % to % are more than 500 at once', relation, since, until
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WHILE since <= until LOOP
        name := relation || to_char(since, CASE period WHEN 'day' THEN '_YYYY_MM_DD' ELSE '_YYYY_MM' END);
        IF to_regclass(quote_ident(name)) IS NULL THEN
            -- One lock for all tables, so that two who make partitions never wait for each other in a ring.
            PERFORM pg_advisory_xact_lock(hashtextextended('barograph partitions ' || current_schema(), 0));
            -- Only who locks a relation is told what others have made meanwhile.
            EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', relation);
            IF to_regclass(quote_ident(name)) IS NULL THEN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, relation);
                EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    relation, name, since, since + step);
                made := made + 1;
            END IF;
        END IF;
        since := since + step;
    END LOOP;
    RETURN made;
END
$$;

-- Drops the partitions of `relation` that end at or before `before`, never the newest one that has rows
-- nor what began less than a day ago; tells them. With `dry` it only tells.
CREATE FUNCTION barograph_drop_before(relation text, before timestamptz, dry boolean)
RETURNS TABLE (name text, since timestamptz, until timestamptz, rows bigint, bytes bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '5s'
AS $$
DECLARE
    newest timestamptz := '-infinity';
    holds boolean;
BEGIN
    FOR name, since IN
        SELECT p.name, p.since FROM barograph_partitions p
        WHERE p.relation = barograph_drop_before.relation AND p.since IS NOT NULL ORDER BY p.since DESC
    LOOP
        holds := true;
        newest := since;
        EXIT WHEN holds;
    END LOOP;
    before := least(before, newest, now() - INTERVAL '1 day');
    FOR name, since, until, rows, bytes IN
        SELECT p.name, p.since, p.until, p.rows, p.bytes FROM barograph_partitions p
        WHERE p.relation = barograph_drop_before.relation AND p.until <= before ORDER BY p.since
    LOOP
        IF NOT dry THEN
            INSERT INTO barograph_dropped (relation, name, since, until, lineage) VALUES (
                barograph_drop_before.relation, barograph_drop_before.name, barograph_drop_before.since,
                barograph_drop_before.until,
                coalesce((SELECT s.value FROM barograph_state s WHERE s.name = 'lineage'), ''));
        END IF;
        RETURN NEXT;
    END LOOP;
    IF NOT dry AND name IS NOT NULL THEN
        PERFORM "public".drop_chunks(quote_ident(relation)::regclass, older_than => before);
    END IF;
END
$$;

REVOKE ALL ON FUNCTION barograph_make_partitions(text, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION barograph_drop_before(text, timestamptz, boolean) FROM PUBLIC;;
COMMIT;
-- 0002 aggregates
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('barograph migrations public', 0));
DO $$ BEGIN IF to_regnamespace('"public"') IS NULL THEN CREATE SCHEMA "public"; END IF; END $$;
SET LOCAL search_path TO "public", pg_temp;
SET LOCAL timezone TO 'UTC';
CREATE TABLE IF NOT EXISTS "public".barograph_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, ways text[] NOT NULL, made_by text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
-- Bars of an hour and of a day: continuous aggregates where TimescaleDB has them, else tables that
-- barograph_refresh_aggregates() brings up to date. The rules are those of bars/resample.py: prices
-- are those of minutes with trades; where there are none, of all, which are the close before.

CREATE MATERIALIZED VIEW bars_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT "public".time_bucket(INTERVAL '1 hour', m."timestamp") AS "timestamp", m.symbol, m.venue,
    coalesce("public".first(m.open, CASE WHEN m.trade_count > 0 THEN m."timestamp" END),
        "public".first(m.open, CASE WHEN m.open IS NOT NULL THEN m."timestamp" END)) AS open,
    coalesce(max(CASE WHEN m.trade_count > 0 THEN m.high END), max(m.high)) AS high,
    coalesce(min(CASE WHEN m.trade_count > 0 THEN m.low END), min(m.low)) AS low,
    "public".last(m.price, CASE WHEN m.price IS NOT NULL THEN m."timestamp" END) AS price,
    sum(m.volume) AS volume, sum(m.notional) AS notional, sum(m.notional) / nullif(sum(m.volume), 0) AS vwap,
    sum(m.trade_count)::bigint AS trade_count, sum(m.buy_volume) AS buy_volume, sum(m.sell_volume) AS sell_volume
FROM market_microstructure m
GROUP BY 1, 2, 3
WITH NO DATA;

CREATE MATERIALIZED VIEW bars_1d
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT "public".time_bucket(INTERVAL '1 day', m."timestamp") AS "timestamp", m.symbol, m.venue,
    coalesce("public".first(m.open, CASE WHEN m.trade_count > 0 THEN m."timestamp" END),
        "public".first(m.open, CASE WHEN m.open IS NOT NULL THEN m."timestamp" END)) AS open,
    coalesce(max(CASE WHEN m.trade_count > 0 THEN m.high END), max(m.high)) AS high,
    coalesce(min(CASE WHEN m.trade_count > 0 THEN m.low END), min(m.low)) AS low,
    "public".last(m.price, CASE WHEN m.price IS NOT NULL THEN m."timestamp" END) AS price,
    sum(m.volume) AS volume, sum(m.notional) AS notional, sum(m.notional) / nullif(sum(m.volume), 0) AS vwap,
    sum(m.trade_count)::bigint AS trade_count, sum(m.buy_volume) AS buy_volume, sum(m.sell_volume) AS sell_volume
FROM market_microstructure m
GROUP BY 1, 2, 3
WITH NO DATA;

-- TimescaleDB does it by itself (see timescale.py); callers need not know.
CREATE FUNCTION barograph_refresh_aggregates() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';

REVOKE ALL ON FUNCTION barograph_refresh_aggregates() FROM PUBLIC;;
COMMIT;
-- 0003 views
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('barograph migrations public', 0));
DO $$ BEGIN IF to_regnamespace('"public"') IS NULL THEN CREATE SCHEMA "public"; END IF; END $$;
SET LOCAL search_path TO "public", pg_temp;
SET LOCAL timezone TO 'UTC';
CREATE TABLE IF NOT EXISTS "public".barograph_migrations (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, ways text[] NOT NULL, made_by text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
-- What other tools read: the same rows as the lake's views of these names (store/views.py).

CREATE VIEW anomalies AS
SELECT ts, venue, symbol, kind, score, threshold, model_version, detail, revision, tape_pos
FROM anomaly_versions WHERE score IS NOT NULL;

CREATE VIEW ticks_simple AS
SELECT ts AS time, symbol, price, size AS volume FROM ticks;

-- Complete: neither trades nor quotes of the minute are known to be missing; null: nothing is known.
CREATE VIEW market_minutes AS
SELECT m.*, CASE WHEN t.state IS NULL AND q.state IS NULL THEN NULL
    ELSE coalesce(t.state <> 'missing', true) AND coalesce(q.state <> 'missing', true)
    END AS complete
FROM market_microstructure m
LEFT JOIN coverage t ON t.channel = 'trades' AND t.minute = m."timestamp"
    AND t.symbol = m.symbol AND t.venue = m.venue
LEFT JOIN coverage q ON q.channel = 'quotes' AND q.minute = m."timestamp"
    AND q.symbol = m.symbol AND q.venue = m.venue;

-- From symbol to symbol along the index, and for each its newest minute: never over all rows.
-- Symbols that were only imported take candles, of two that begin at once the shorter. The change
-- is against the last price of an earlier UTC day, else against the day's first open.
CREATE VIEW last_prices AS
WITH RECURSIVE recorded(symbol) AS (
    (SELECT symbol FROM market_microstructure ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT m.symbol FROM market_microstructure m WHERE m.symbol > r.symbol ORDER BY m.symbol LIMIT 1)
    FROM recorded r WHERE r.symbol IS NOT NULL
), series(symbol, venue, interval_s) AS (
    (SELECT symbol, venue, interval_s FROM candles ORDER BY symbol, venue, interval_s LIMIT 1)
    UNION ALL
    SELECT n.symbol, n.venue, n.interval_s FROM series s CROSS JOIN LATERAL (
        SELECT c.symbol, c.venue, c.interval_s FROM candles c
        WHERE (c.symbol, c.venue, c.interval_s) > (s.symbol, s.venue, s.interval_s)
        ORDER BY c.symbol, c.venue, c.interval_s LIMIT 1
    ) n
), imported AS (
    SELECT DISTINCT symbol FROM series
    WHERE symbol NOT IN (SELECT r.symbol FROM recorded r WHERE r.symbol IS NOT NULL)
)
SELECT r.symbol, n.price, n."timestamp" AS ts, 100 * (n.price / coalesce(e.price, o.price) - 1) AS change_pct_day
FROM recorded r
CROSS JOIN LATERAL (
    SELECT m.price, m."timestamp", date_trunc('day', m."timestamp", 'UTC') AS day
    FROM market_microstructure m WHERE m.symbol = r.symbol AND m.price IS NOT NULL
    ORDER BY m."timestamp" DESC, m.venue LIMIT 1
) n
LEFT JOIN LATERAL (
    SELECT m.price FROM market_microstructure m
    WHERE m.symbol = r.symbol AND m.price IS NOT NULL AND m."timestamp" < n.day
    ORDER BY m."timestamp" DESC, m.venue LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT coalesce(m.open, m.price) AS price FROM market_microstructure m
    WHERE m.symbol = r.symbol AND m.price IS NOT NULL AND m."timestamp" >= n.day
    ORDER BY m."timestamp", m.venue LIMIT 1
) o ON e.price IS NULL
UNION ALL
SELECT i.symbol, n.price, n."timestamp", 100 * (n.price / coalesce(e.price, o.price) - 1)
FROM imported i
CROSS JOIN LATERAL (
    SELECT c.price, c."timestamp", date_trunc('day', c."timestamp", 'UTC') AS day
    FROM series s CROSS JOIN LATERAL (
        SELECT * FROM candles c
        WHERE c.symbol = s.symbol AND c.venue = s.venue AND c.interval_s = s.interval_s
        ORDER BY c."timestamp" DESC LIMIT 1
    ) c
    WHERE s.symbol = i.symbol
    ORDER BY c."timestamp" DESC, c.interval_s, c.venue LIMIT 1
) n
LEFT JOIN LATERAL (
    SELECT c.price FROM series s CROSS JOIN LATERAL (
        SELECT * FROM candles c
        WHERE c.symbol = s.symbol AND c.venue = s.venue AND c.interval_s = s.interval_s AND c."timestamp" < n.day
        ORDER BY c."timestamp" DESC LIMIT 1
    ) c
    WHERE s.symbol = i.symbol
    ORDER BY c."timestamp" DESC, c.interval_s, c.venue LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT coalesce(c.open, c.price) AS price FROM series s CROSS JOIN LATERAL (
        SELECT * FROM candles c
        WHERE c.symbol = s.symbol AND c.venue = s.venue AND c.interval_s = s.interval_s AND c."timestamp" >= n.day
        ORDER BY c."timestamp" LIMIT 1
    ) c
    WHERE s.symbol = i.symbol
    ORDER BY c."timestamp", c.interval_s, c.venue LIMIT 1
) o ON e.price IS NULL;;
COMMIT;
