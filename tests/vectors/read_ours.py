"""Reads what our encoders write with other clients' decoders: kafka-python's and aiokafka's record readers, and a consumer
of librdkafka behind its own test broker. By hand (packages: see compressed.py):

    cargo test --test compression_is_bounded -- --ignored --nocapture | python3 tests/vectors/read_ours.py
"""
import socket
import struct
import sys

from aiokafka.record.default_records import DefaultRecordBatch as Aio
from confluent_kafka import Consumer, Producer
from kafka.record.default_records import DefaultRecordBatch as Python

T = 1_700_000_000_000
EXPECTED = [(T + i, b"key-%d" % i, b"tabmq %d " % (i * i) * i) for i in range(200)]


def text(s):
    return struct.pack(">h", len(s)) + s


def produce(broker, topic, batch):
    """Produce version 7, as bytes."""
    body = struct.pack(">hhi", 0, 7, 1) + text(b"ours") + struct.pack(">hhii", -1, 1, 5000, 1) + text(topic)
    body += struct.pack(">iii", 1, 0, len(batch)) + batch
    with socket.create_connection((broker.host, broker.port)) as conn:
        conn.sendall(struct.pack(">i", len(body)) + body)
        stream = conn.makefile("rb")
        answer = stream.read(struct.unpack(">i", stream.read(4))[0])
    assert struct.unpack_from(">h", answer, 4 + 4 + len(text(topic)) + 4 + 4)[0] == 0


def librdkafka(codec, batch):
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"})
    broker = next(iter(owner.list_topics(timeout=10).brokers.values()))
    topic = "ours-" + codec
    # A topic is there once somebody has produced to it; that record is read first.
    owner.produce(topic, value=b"first", partition=0)
    assert owner.flush(10) == 0
    produce(broker, topic.encode(), batch)
    consumer = Consumer({
        "bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "g", "auto.offset.reset": "earliest",
        "check.crcs": True})
    consumer.subscribe([topic])
    found = []
    while len(found) < 201:
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message and message.error()
        found.append((message.timestamp()[1], message.key(), message.value()))
    consumer.close()
    return found[1:]


for line in sys.stdin:
    codec, _, bytes_in_hex = line.strip().partition(" ")
    if codec not in ("uncompressed", "gzip", "snappy", "lz4", "zstd"):
        continue
    batch = bytes.fromhex(bytes_in_hex)
    for name, reader in ("kafka-python", Python), ("aiokafka", Aio):
        opened = reader(batch)
        assert opened.validate_crc()
        assert [(r.timestamp, r.key, r.value) for r in opened] == EXPECTED, (name, codec)
    assert librdkafka(codec, batch) == EXPECTED, ("librdkafka", codec)
    print(f"{codec}: {len(batch)} bytes, read by kafka-python, aiokafka and librdkafka")
