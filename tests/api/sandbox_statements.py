"""Statements of pieces of SQL, some of which make sense, and values for their marks."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = """
    SELECT FROM WHERE GROUP BY ORDER LIMIT JOIN ON USING WITH AS UNION ALL VALUES DISTINCT HAVING OVER ( ) ( )
    , , . ; * + - / % || :: -> = < > <> [ ] { } : ' " $1 ? -- /* */ NULL TRUE CASE WHEN THEN END NOT IN LIKE
    ticks market_microstructure positions last_prices symbol price ts timestamp x y 1 2.5 'a' 'b' 1e400 0xFF
    sum count min list range unnest now lower read_csv getenv struct_pack regexp_replace strftime DESCRIBE
    SHOW PIVOT SET COPY INTERVAL DATE TIMESTAMP INTEGER VARCHAR MAP LATERAL WINDOW PARTITION SAMPLE COLUMNS
    SUMMARIZE QUALIFY EXISTS EXCLUDE
"""
WORDS = st.sampled_from(PIECES.split())
STATEMENTS = (
    st.lists(WORDS, max_size=25).map(" ".join)
    | st.lists(WORDS, max_size=12).map(lambda words: "SELECT " + " ".join(words) + " FROM ticks LIMIT 10")
    | st.text(max_size=40)
)
VALUES = st.lists(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    max_size=2,
)
