// Tables by themselves: building one, loading one, merging four, and the files that other cases take.

#pragma once

#include "bench.h"

inline void BuildTable(const std::string& path, uint64_t from, uint64_t to, const KeyAt& key_at,
                       const KeyAt& value_at) {
  fs::remove(path);
  SstFileWriter writer(EnvOptions(), MakeOptions(8 << 20));
  Check(writer.Open(path), "open table");
  for (uint64_t i = from; i < to; i++) Check(writer.Put(key_at(i), value_at(i)), "put");
  Check(writer.Finish(), "finish");
}

inline void Build(bool load) {
  const std::string keys = ReadAll(Text("data") + "/keys.bin");
  const std::string values = ReadAll(Text("data") + "/values.bin");
  const std::string dir = Text("dir");
  const uint64_t count = Number("count");
  InputIsRead();
  fs::remove_all(dir);
  fs::create_directories(dir);
  const std::string file = dir + ".built.sst";
  const auto started = Clock::now();
  BuildTable(file, 0, count, Slices(keys, kKeyBytes), Slices(values, kValueBytes));
  if (load) {
    auto db = OpenDb(dir, Number("cacheBytes"));
    IngestExternalFileOptions ingest;
    ingest.move_files = true;
    Check(db->IngestExternalFile({file}, ingest), "ingest");
    rows["rate"] = count / Seconds(started);
    Check(db->Close(), "close");
  } else {
    rows["rate"] = count / Seconds(started);
    fs::remove(file);
  }
}

inline void Compaction() {
  InputIsRead();
  const std::string dir = Text("dir");
  const auto sources = Relink("set", dir);
  Fresh(dir);
  auto db = OpenDb(dir, 64 << 20);
  IngestExternalFileOptions ingest;
  ingest.move_files = true;
  ingest.write_global_seqno = false;
  for (const std::string& source : sources) Check(db->IngestExternalFile({source}, ingest), "ingest");
  std::vector<LiveFileMetaData> files;
  db->GetLiveFilesMetaData(&files);
  std::vector<std::string> names;
  uint64_t entries = 0;
  for (const auto& file : files) {
    names.push_back(file.name);
    entries += file.num_entries;
  }
  CompactionOptions options;
  options.compression = kLZ4Compression;
  const auto started = Clock::now();
  Check(db->CompactFiles(options, names, 6), "compact");
  rows["rate"] = entries / Seconds(started);
  Require(LevelsInUse(db.get()) == 1, "compaction: more than one level is left");
}

// Only for runs without SluiceDB, which makes them otherwise. Not measured.
inline void MakeFiles() {
  const auto paths = PathsOf(Text("dir"), Number("files"));
  const uint64_t entries = Number("entries");
  const uint64_t step = Has("keyStep") ? Number("keyStep") : 2;
  const auto values = MakeValues(std::min<uint64_t>(entries * paths.size(), 4000), Number("valueBytes"));
  Random random(5);
  std::string key;
  fs::create_directories(Text("dir"));
  auto key_at = [&](uint64_t i) { return Slice(key = KeyOf(i * step)); };
  auto value_at = [&](uint64_t) { return Slice(values[random.Next() % values.size()]); };
  for (size_t n = 0; n < paths.size(); n++) BuildTable(paths[n], n * entries, (n + 1) * entries, key_at, value_at);
}

inline void Interleaved() {
  const std::string keys = ReadAll(Text("data") + "/keys.bin");
  const std::string values = ReadAll(Text("data") + "/values.bin");
  const auto paths = PathsOf(Text("dir"), Number("files"));
  fs::create_directories(Text("dir"));
  for (size_t n = 0; n < paths.size(); n++) {
    auto at = [n](const KeyAt& slices) { return [n, slices](uint64_t i) { return slices(i * 4 + n); }; };
    BuildTable(paths[n], 0, Number("count") / 4, at(Slices(keys, kKeyBytes)), at(Slices(values, kValueBytes)));
  }
}
