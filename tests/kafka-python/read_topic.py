"""Reads a directory of exported partitions with kafka-python's record reader, which shares no code with tabmq, and
looks offsets and times up in the indexes as a broker does. Prints the records as JSON; fails with what is wrong."""

import bisect
import json
import struct
import sys
from pathlib import Path

from kafka.record.memory_records import MemoryRecords

INDEX_INTERVAL_BYTES = 4096


def text(value):
    return None if value is None else value.decode("utf-8")


def read_log(path):
    """Batches with their positions, and the records."""
    data = path.read_bytes()
    batches, records, position = [], [], 0
    reader = MemoryRecords(data)
    for batch in reader:
        assert batch.magic == 2, f"{path}: magic {batch.magic}"
        assert batch.validate_crc(), f"{path}, byte {position}: checksum"
        batches.append((position, batch))
        position += batch.size_in_bytes
        for record in batch:
            records.append({
                "offset": record.offset,
                "timestamp": record.timestamp,
                "key": text(record.key),
                "value": text(record.value),
                "headers": [[name, text(value)] for name, value in record.headers],
                "compression": batch.compression_type,
            })
    assert position == len(data), f"{path}: {len(data) - position} bytes are left over"
    return batches, records


def entries(path, layout):
    data = path.read_bytes()
    assert len(data) % struct.calcsize(layout) == 0, f"{path}: {len(data)} bytes"
    return list(struct.iter_unpack(layout, data))


def check_index(path, base, batches):
    """OffsetIndex.lookup: the largest entry at or below the target; from its position a scan must find the target."""
    index = [(base + relative, position) for relative, position in entries(path, ">ii")]
    assert index == sorted(set(index)), f"{path}: not ascending"
    positions = [position for position, _ in batches]
    for target in (offset for _, batch in batches for offset in (batch.base_offset, batch.last_offset)):
        at = bisect.bisect_right([offset for offset, _ in index], target) - 1
        start = index[at][1] if at >= 0 else 0
        assert start in positions, f"{path}: no batch at {start}"
        found = next(batch for position, batch in batches if position >= start and batch.last_offset >= target)
        assert found.base_offset <= target, f"{path}: {target} is not found from position {start}"
    gaps = [b - a for a, b in zip([0] + [position for _, position in index], [position for _, position in index])]
    assert all(gap > INDEX_INTERVAL_BYTES for gap in gaps), f"{path}: entries too near: {gaps}"
    size = batches[-1][0] + batches[-1][1].size_in_bytes if batches else 0
    largest = max((batch.size_in_bytes for _, batch in batches), default=0)
    assert len(index) >= size // (INDEX_INTERVAL_BYTES + largest + 1) - 1, f"{path}: {len(index)} entries for {size} bytes"
    return len(index)


def check_times(path, base, batches):
    """TimeIndex: no timestamp up to the entry's offset is larger, and the batch there has it."""
    index = [(timestamp, base + relative) for timestamp, relative in entries(path, ">qi")]
    assert index == sorted(index), f"{path}: not ascending"
    for timestamp, offset in index:
        before = [batch.max_timestamp for _, batch in batches if batch.base_offset <= offset]
        assert before[-1] == timestamp == max(before), f"{path}: {timestamp} at {offset}"
    if batches:
        newest = max(batch.max_timestamp for _, batch in batches)
        assert index[-1][0] == newest, f"{path}: the newest is {newest}"
    return len(index)


def main(root):
    topic, indexed = {}, 0
    for directory in sorted(Path(root).iterdir()):
        partition, epochs, expected = [], [], None
        for path in sorted(directory.glob("*.log")):
            base = int(path.stem)
            batches, records = read_log(path)
            for _, batch in batches:
                assert batch.base_offset >= base and (expected is None or batch.base_offset == expected), str(path)
                expected = batch.next_offset
                if not epochs or epochs[-1][0] != batch.leader_epoch:
                    epochs.append((batch.leader_epoch, batch.base_offset))
            partition += records
            indexed += check_index(path.with_suffix(".index"), base, batches)
            check_times(path.with_suffix(".timeindex"), base, batches)
        lines = (directory / "leader-epoch-checkpoint").read_text().splitlines()
        assert lines == ["0", str(len(epochs))] + [f"{epoch} {start}" for epoch, start in epochs], f"{directory}: {lines}"
        topic[directory.name] = partition
    print(json.dumps({"partitions": topic, "indexed": indexed}))


main(sys.argv[1])
