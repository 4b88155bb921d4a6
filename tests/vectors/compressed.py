"""Makes batches-compressed.txt: `name hex` a line, record batches compressed by other clients.

Needs, from PyPI: kafka-python 3.0.12, aiokafka 0.14.0, confluent-kafka 2.16.1 (librdkafka), python-snappy 0.7.3,
cramjam 2.14.0, lz4 4.4.5, zstandard 0.25.0. The batches of librdkafka are fetched from the broker it has inside for
tests. tests/compressed_batches_match_real_clients.rs knows `records` too.
"""
import socket
import struct

from aiokafka.record.default_records import DefaultRecordBatchBuilder as Aio
from confluent_kafka import Producer
from kafka.record.default_records import DefaultRecordBatchBuilder as Python

T = 1_700_000_000_000
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def records(name):
    """Small: less than a block of any codec. Large: 240 kB, several blocks of each."""
    if name == "small":
        return [(T + i, b"key-%d" % i, b"value %d" % (i * i)) for i in range(20)]
    return [(T + i, b"key-%d" % i, b"tabmq %d " % (i * i) * i) for i in range(200)]


def built(builder, codec, name):
    batch = builder(
        magic=2, compression_type=codec, is_transactional=False, producer_id=-1, producer_epoch=-1,
        base_sequence=-1, batch_size=1 << 24)
    for offset, (timestamp, key, value) in enumerate(records(name)):
        assert batch.append(offset, timestamp, key, value, []) is not None
    return bytes(batch.build())


def librdkafka(codec, name):
    """One batch, as librdkafka sent it to its own broker."""
    producer = Producer({
        "test.mock.num.brokers": 1, "bootstrap.servers": "none", "compression.type": codec, "linger.ms": 500,
        "batch.num.messages": 10000, "batch.size": 1 << 20})
    broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
    for timestamp, key, value in records(name):
        producer.produce("t", key=key, value=value, timestamp=timestamp, partition=0)
    assert producer.flush(20) == 0
    text = lambda s: struct.pack(">h", len(s)) + s
    body = struct.pack(">hhi", 1, 4, 1) + text(b"vectors") + struct.pack(">iiiib", -1, 1000, 1, 1 << 24, 0)
    body += struct.pack(">i", 1) + text(b"t") + struct.pack(">iiqi", 1, 0, 0, 1 << 24)
    with socket.create_connection((broker.host, broker.port)) as conn:
        conn.sendall(struct.pack(">i", len(body)) + body)
        stream = conn.makefile("rb")
        answer = stream.read(struct.unpack(">i", stream.read(4))[0])
    at = 4 + 4 + 4 + len(text(b"t")) + 4 + 4 + 2 + 8 + 8
    aborted, = struct.unpack_from(">i", answer, at)
    at += 4 + 16 * max(aborted, 0)
    length, = struct.unpack_from(">i", answer, at)
    batch = answer[at + 4:at + 4 + length]
    assert len(batch) == 12 + struct.unpack_from(">i", batch, 8)[0], "more than one batch"
    return batch


for size in "small", "large":
    for codec, bits in CODECS.items():
        if size == "small" or codec == "snappy":
            print(f"kafka-python-{codec}-{size}", built(Python, bits, size).hex())
        if size == "small" or codec == "lz4":
            print(f"aiokafka-{codec}-{size}", built(Aio, bits, size).hex())
        print(f"librdkafka-{codec}-{size}", librdkafka(codec, size).hex())
