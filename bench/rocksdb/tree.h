// Gets over a tree of many levels, as months of updates and deletes would leave it.

#pragma once

#include "bench.h"

inline Options TreeOptions(size_t cache_bytes) {
  Options options = MakeOptions(cache_bytes);
  options.write_buffer_size = Number("shape.memtableBytes");
  options.max_bytes_for_level_base = Number("shape.levelBytes");
  options.max_bytes_for_level_multiplier = static_cast<double>(Number("shape.multiplier"));
  options.target_file_size_base = Number("shape.fileBytes");
  options.level_compaction_dynamic_level_bytes = true;  // as newer versions do by themselves, and SluiceDB
  return options;
}

// kinds/tree.mjs has the same.
inline void Operations(const std::function<void(uint64_t key, int64_t value)>& visit) {
  Random random(7);
  const uint64_t count = Number("count");
  for (uint64_t n = 0; n < Number("puts"); n++) {
    const uint64_t key = random.Next() % count;
    const uint32_t value = random.Next();
    visit(key, (value & 15) == 0 ? -1 : static_cast<int64_t>(value % count));
  }
}

// Not measured.
inline void TreeLoad() {
  const std::string keys = ReadAll(Text("data") + "/keys.bin");
  const std::string values = ReadAll(Text("data") + "/values.bin");
  auto key_at = Slices(keys, kKeyBytes);
  auto value_at = Slices(values, kValueBytes);
  Fresh(Text("dir"));
  auto db = OpenDb(Text("dir"), TreeOptions(64 << 20));
  WriteBatch batch;
  auto write = [&] {
    Check(db->Write(WriteOptions(), &batch), "write");
    batch.Clear();
  };
  Operations([&](uint64_t key, int64_t value) {
    Check(value < 0 ? batch.Delete(key_at(key)) : batch.Put(key_at(key), value_at(value)), "batch");
    if (batch.Count() == 1000) write();
  });
  write();
  Check(db->Flush(FlushOptions()), "flush");
  AwaitBackgroundWork(db.get());
  Check(db->Close(), "close");
}

inline void Tree() {
  const std::string keys = ReadAll(Text("data") + "/keys.bin");
  auto key_at = Slices(keys, kKeyBytes);
  const uint64_t count = Number("count");
  std::vector<bool> live(count);
  Operations([&](uint64_t key, int64_t value) { live[key] = value >= 0; });
  InputIsRead();
  auto db = OpenDb(Text("dir"), TreeOptions(Number("cacheBytes")));
  const ReadOptions read;
  std::string value;
  for (uint64_t i = 0; i < count; i++)
    Require(db->Get(read, key_at(i), &value).ok() == live[i], "an entry is not as it was put");
  AwaitBackgroundWork(db.get());
  Random random(3);
  const uint64_t reads = Number("reads");
  uint64_t found = 0;
  const auto started = Clock::now();
  for (uint64_t n = 0; n < reads; n++) found += db->Get(read, key_at(random.Next() % count), &value).ok();
  rows["rate"] = reads / Seconds(started);
  facts["levels"] = LevelsInUse(db.get());
  Require(found > 0, "nothing was found");
}
