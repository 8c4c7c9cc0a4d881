// Writes: durable commits, and random loads until all background work is done.

#pragma once

#include <atomic>

#include "bench.h"

inline double CommitFor(DB* db, int committers, double seconds) {
  std::atomic<uint64_t> commits{0};
  std::vector<std::thread> threads;
  const auto started = Clock::now();
  for (int t = 0; t < committers; t++) {
    threads.emplace_back([&, t] {
      Random random(t + 10);
      WriteOptions durable;
      durable.sync = true;
      const std::string value(kValueBytes, 'v');
      do {
        Check(db->Put(durable, KeyOf(random.Next() * 100ull), value), "put");
        commits++;
      } while (Seconds(started) < seconds);
    });
  }
  for (auto& thread : threads) thread.join();
  return commits / Seconds(started);
}

inline void Commit() {
  const int committers = static_cast<int>(Number("committers"));
  const double seconds = Number("measureMs") / 1000.0;
  Fresh(Text("dir"));
  auto db = OpenDb(Text("dir"), 64 << 20);
  InputIsRead();
  CommitFor(db.get(), committers, seconds / 4);
  rows["rate"] = CommitFor(db.get(), committers, seconds);
}

// kinds/writes.mjs has the same.
inline void PutRandom(DB* db, uint64_t count, size_t value_bytes, size_t batch_rows,
                      const std::function<void()>& on_batch = [] {}) {
  Random random(6);
  const auto values = MakeValues(std::min<uint64_t>(count, (1000000 + value_bytes - 1) / value_bytes), value_bytes);
  WriteBatch batch;
  for (uint64_t n = 1; n <= count; n++) {
    const uint64_t number = random.Next() * 100ull;
    Check(batch.Put(KeyOf(number), values[random.Next() % values.size()]), "batch");
    if (n % batch_rows != 0 && n != count) continue;
    Check(db->Write(WriteOptions(), &batch), "write");
    batch.Clear();
    on_batch();
  }
}

inline void RandomLoad() {
  const uint64_t count = Number("rows");
  Fresh(Text("dir"));
  auto db = OpenDb(Text("dir"), 64 << 20);
  InputIsRead();
  const double written_before = Written();
  const auto started = Clock::now();
  PutRandom(db.get(), count, kValueBytes, 1000);
  rows["takenRate"] = count / Seconds(started);
  AwaitBackgroundWork(db.get());
  rows["rate"] = count / Seconds(started);
  rows["amplification"] = (Written() - written_before) / (count * (kKeyBytes + kValueBytes));
}

inline void Memory() {
  const uint64_t count = Number("rows");
  Fresh(Text("dir"));
  auto db = OpenDb(Text("dir"), Number("cacheBytes"));
  uint64_t memtables = 0;
  auto watch = [&] { memtables = std::max(memtables, Property(db.get(), "rocksdb.cur-size-all-mem-tables")); };
  PutRandom(db.get(), count, Number("valueBytes"), 100, watch);
  AwaitBackgroundWork(db.get());
  Random random(6);
  std::string value;
  for (uint64_t n = 0; n < Number("reads"); n++) {
    Check(db->Get(ReadOptions(), KeyOf(random.Next() * 100ull), &value), "get");
    random.Next();  // its value
  }
  std::unique_ptr<Iterator> it(db->NewIterator(ReadOptions()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) continue;
  it.reset();
  rows["megabytes"] = (PeakMemory() - Number("cacheBytes") - memtables) / 1e6;
  facts["memtables, MB"] = static_cast<double>(memtables / 1000000);
}
