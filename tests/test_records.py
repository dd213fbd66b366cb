import numpy as np

from barograph.records import Kind, Records, Stream

STREAMS = (Stream("binance", "b-1"), Stream("kraken", "k-1"), Stream("binance", "b-2"))
RUN = Records(
    100,
    np.array([1, 2, 3, 4], dtype=np.int64),
    np.array([Kind.OPEN, Kind.FRAME, Kind.FRAME, Kind.CLOSE], dtype=np.uint8),
    np.array([0, 1, 2, 0], dtype=np.uint32),
    STREAMS,
    [b"a", b"b", b"c", b"d"],
)


def test_of_gives_the_records_of_all_connections_of_a_feed():
    frames = RUN.of("binance")
    assert frames.first_pos == 100
    assert frames.record.tolist() == [0, 2, 3]
    assert frames.stream.tolist() == [0, 2, 0]
    assert frames.payloads == [b"a", b"c", b"d"]
    assert RUN.of("coinbase").payloads == []


def test_cut_keeps_positions():
    part = RUN.cut(1, 3)
    assert (part.first_pos, part.next_pos, len(part)) == (101, 103, 2)
    assert [record.pos for record in part] == [101, 102]


def test_iterating_gives_records_one_by_one():
    last = list(RUN)[-1]
    assert last == (103, 4, Kind.CLOSE, STREAMS[0], b"d")
