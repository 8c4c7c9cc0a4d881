// Reads of a database that another process has loaded, and the opening of one with many tables.

#pragma once

#include "bench.h"

inline void Get() {
  std::string keys = ReadAll(Text("data") + "/keys.bin");
  const uint64_t count = Number("count");
  const uint64_t reads = Number("reads");
  const bool missing = Has("missing") && Text("missing") == "true";
  const bool warm = !Has("warm") || Text("warm") == "true";
  InputIsRead();
  auto key_at = Slices(keys, kKeyBytes);
  if (!warm) {
    for (const auto& entry : fs::directory_iterator(Text("dir")))
      if (entry.path().extension() == ".sst") ReadAll(entry.path());
  }
  auto db = OpenDb(Text("dir"), Number("cacheBytes"));
  const ReadOptions read;
  std::string value;
  const uint64_t step = warm ? 16 : count >> 6;
  for (uint64_t i = 0; i < count; i += step) Check(db->Get(read, key_at(i), &value), "warm");
  if (missing) {
    for (uint64_t i = 0; i < count; i++) keys[i * kKeyBytes + kKeyBytes - 1]++;
  }
  Random random(3);
  uint64_t found = 0;
  uint64_t touched = 0;
  const auto started = Clock::now();
  for (uint64_t n = 0; n < reads; n++) {
    if (!db->Get(read, key_at(random.Next() % count), &value).ok()) continue;
    found++;
    touched += static_cast<uint8_t>(value[0]);
  }
  rows["rate"] = reads / Seconds(started);
  Require(found == (missing ? 0 : reads) && touched != 1, "get: another number was found");
}

inline void FullScan() {
  const uint64_t count = Number("count");
  InputIsRead();
  auto db = OpenDb(Text("dir"), Number("cacheBytes"));
  double best = 0;
  for (int pass = 0; pass < 3; pass++) {
    uint64_t entries = 0;
    uint64_t touched = 0;
    const auto started = Clock::now();
    std::unique_ptr<Iterator> it(db->NewIterator(ReadOptions()));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      entries++;
      touched += static_cast<uint8_t>(it->key()[4]) + static_cast<uint8_t>(it->value()[0]);
    }
    best = std::max(best, entries / Seconds(started));
    Require(entries == count && touched >= entries, "scan: another number of entries");
  }
  rows["cursor"] = best;
  rows["buffers"] = best;  // it has one way only
}

// A database of many small tables. Not measured.
inline void ManyTables() {
  auto db = OpenDb(Text("dir"), 64 << 20);
  const auto sources = Relink("set", Text("dir"));
  IngestExternalFileOptions ingest;
  ingest.move_files = true;
  ingest.write_global_seqno = false;
  Check(db->IngestExternalFile(sources, ingest), "ingest");
  Check(db->Close(), "close");
}

inline void OpenToFirstRead() {
  InputIsRead();
  const auto started = Clock::now();
  auto db = OpenDb(Text("dir"), 64 << 20);
  std::string value;
  const uint64_t middle = (Number("set.files") * Number("set.entries")) / 2;
  Check(db->Get(ReadOptions(), KeyOf(middle * Number("set.keyStep")), &value), "first read");
  rows["ms"] = Seconds(started) * 1000;
}
