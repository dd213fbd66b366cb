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
) o ON e.price IS NULL;
