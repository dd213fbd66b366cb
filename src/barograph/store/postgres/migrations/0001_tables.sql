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
--@ if partitions
PARTITION BY RANGE (ts)
--@ end
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
--@ if partitions
PARTITION BY RANGE (ts)
--@ end
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
--@ if partitions
PARTITION BY RANGE ("timestamp")
--@ end
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
--@ if partitions
PARTITION BY RANGE (ts)
--@ end
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
--@ if partitions
PARTITION BY RANGE (recv_ts)
--@ end
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
--@ if partitions
PARTITION BY RANGE ("timestamp")
--@ end
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
--@ if partitions
PARTITION BY RANGE (minute)
--@ end
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

--@ if hypertables
SELECT {timescaledb}.create_hypertable('ticks', 'ts',
    chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
SELECT {timescaledb}.create_hypertable('quotes', 'ts',
    chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
SELECT {timescaledb}.create_hypertable('market_microstructure', 'timestamp',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT {timescaledb}.create_hypertable('anomaly_versions', 'ts',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT {timescaledb}.create_hypertable('rejects', 'recv_ts',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT {timescaledb}.create_hypertable('candles', 'timestamp',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
SELECT {timescaledb}.create_hypertable('coverage', 'minute',
    chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
--@ end
--@ if continuous
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
--@ end

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
--@ if partitions
CREATE VIEW barograph_partitions AS
SELECT p.relation, child.relname::text AS name, bounds[1]::timestamptz AS since, bounds[2]::timestamptz AS until,
    nullif(child.reltuples, -1)::bigint AS rows, pg_total_relation_size(child.oid) AS bytes, false AS compressed
FROM barograph_partitioned p
JOIN pg_class parent ON parent.relname = p.relation AND parent.relnamespace = (
    SELECT relnamespace FROM pg_class WHERE oid = 'barograph_partitioned'::regclass)
JOIN pg_inherits i ON i.inhparent = parent.oid
JOIN pg_class child ON child.oid = i.inhrelid AND child.relispartition
CROSS JOIN LATERAL regexp_match(
    pg_get_expr(child.relpartbound, child.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS bounds;
--@ end
--@ if hypertables
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
--@ end

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
--@ if partitions
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO holds;
--@ end
--@ if hypertables
        holds := true;
--@ end
        newest := since;
        EXIT WHEN holds;
    END LOOP;
    before := least(before, newest, now() - INTERVAL '1 day');
    FOR name, since, until, rows, bytes IN
        SELECT p.name, p.since, p.until, p.rows, p.bytes FROM barograph_partitions p
        WHERE p.relation = barograph_drop_before.relation AND p.until <= before ORDER BY p.since
    LOOP
        IF NOT dry THEN
--@ if partitions
            EXECUTE format('DROP TABLE %I', name);
--@ end
            INSERT INTO barograph_dropped (relation, name, since, until, lineage) VALUES (
                barograph_drop_before.relation, barograph_drop_before.name, barograph_drop_before.since,
                barograph_drop_before.until,
                coalesce((SELECT s.value FROM barograph_state s WHERE s.name = 'lineage'), ''));
        END IF;
        RETURN NEXT;
    END LOOP;
--@ if hypertables
    IF NOT dry AND name IS NOT NULL THEN
        PERFORM {timescaledb}.drop_chunks(quote_ident(relation)::regclass, older_than => before);
    END IF;
--@ end
END
$$;

REVOKE ALL ON FUNCTION barograph_make_partitions(text, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION barograph_drop_before(text, timestamptz, boolean) FROM PUBLIC;
