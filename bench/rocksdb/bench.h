// What all measurements of this program share: arguments, results, counters of the process, options, data.

#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace rocksdb;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using KeyAt = std::function<Slice(uint64_t)>;

inline const size_t kKeyBytes = 16;
inline const size_t kValueBytes = 100;

inline std::map<std::string, std::string> args;
inline std::map<std::string, double> rows;
inline std::map<std::string, double> facts;
inline double base_bytes = 0;

inline void Check(const Status& s, const char* what) {
  if (s.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, s.ToString().c_str());
  std::exit(1);
}

inline void Require(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

inline bool Has(const std::string& name) { return args.count(name) == 1; }
inline const std::string& Text(const std::string& name) {
  Require(Has(name), "missing argument " + name);
  return args[name];
}
inline uint64_t Number(const std::string& name) { return std::stoull(Text(name)); }

inline double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

inline double ProcField(const char* path, const std::string& field) {
  std::ifstream in(path);
  std::string word;
  double value = 0;
  while (in >> word) {
    if (word == field) in >> value;
  }
  return value;
}

inline double PeakMemory() { return ProcField("/proc/self/status", "VmHWM:") * 1024; }
inline double Written() { return ProcField("/proc/self/io", "write_bytes:"); }
inline void InputIsRead() { base_bytes = ProcField("/proc/self/status", "VmRSS:") * 1024; }

inline std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  Require(in.good(), "cannot read " + path);
  std::string bytes(static_cast<size_t>(in.tellg()), '\0');
  in.seekg(0).read(&bytes[0], static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

inline double Quantile(std::vector<double> list, double q) {
  std::sort(list.begin(), list.end());
  return list[std::min(list.size() - 1, static_cast<size_t>(list.size() * q))];
}
inline double Median(const std::vector<double>& list) { return Quantile(list, 0.5); }

// data.mjs has the same generator.
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed) {}
  uint32_t Next() {
    state_ += 0x6d2b79f5;
    uint32_t t = (state_ ^ (state_ >> 15)) * (state_ | 1);
    t = (t + (t ^ (t >> 7)) * (t | 61)) ^ t;
    return t ^ (t >> 14);
  }

 private:
  uint32_t state_;
};

inline std::string KeyOf(uint64_t number) {
  char key[40];
  std::snprintf(key, sizeof(key), "user%012llu", static_cast<unsigned long long>(number));
  return std::string(key, kKeyBytes);
}

// Values that compress to half, as those of data.mjs.
inline std::vector<std::string> MakeValues(size_t count, size_t value_bytes) {
  Random random(2);
  std::vector<std::string> values(count);
  for (std::string& value : values) {
    for (size_t i = 0; i < value_bytes / 2; i++) value.push_back(static_cast<char>(random.Next()));
    value += value;
  }
  return values;
}

inline KeyAt Slices(const std::string& bytes, size_t width) {
  return [&bytes, width](uint64_t i) { return Slice(bytes.data() + i * width, width); };
}

inline Options MakeOptions(size_t cache_bytes) {
  BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = kXXH3;
  table.filter_policy.reset(NewBloomFilterPolicy(10));
  table.block_cache = NewLRUCache(cache_bytes);
  Options options;
  options.create_if_missing = true;
  options.compression = kLZ4Compression;
  options.write_buffer_size = 32 << 20;  // as SluiceDB
  options.disable_auto_compactions = Has("compaction") && Text("compaction") == "off";
  options.table_factory.reset(NewBlockBasedTableFactory(table));
  return options;
}

inline std::unique_ptr<DB> OpenDb(const std::string& dir, const Options& options) {
#if ROCKSDB_MAJOR >= 11
  std::unique_ptr<DB> db;
  Check(DB::Open(options, dir, &db), "open");
  return db;
#else
  DB* db = nullptr;
  Check(DB::Open(options, dir, &db), "open");
  return std::unique_ptr<DB>(db);
#endif
}

inline std::unique_ptr<DB> OpenDb(const std::string& dir, size_t cache_bytes) {
  return OpenDb(dir, MakeOptions(cache_bytes));
}

inline void Fresh(const std::string& dir) {
  fs::remove_all(dir);
  fs::create_directories(fs::path(dir).parent_path());
}

inline uint64_t Property(DB* db, const char* name) {
  uint64_t value = 0;
  Require(db->GetIntProperty(name, &value), std::string("no property ") + name);
  return value;
}

inline void AwaitBackgroundWork(DB* db) {
  for (;;) {
    uint64_t work = 0;
    for (const char* name : {"rocksdb.num-running-compactions", "rocksdb.num-running-flushes",
                             "rocksdb.compaction-pending", "rocksdb.mem-table-flush-pending"})
      work += Property(db, name);
    if (work == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

inline int LevelsInUse(DB* db) {
  int levels = 0;
  for (int level = 0; level < 7; level++) {
    std::string tables;
    db->GetProperty("rocksdb.num-files-at-level" + std::to_string(level), &tables);
    levels += tables != "0";
  }
  return levels;
}

// The paths of a set of files, of which the arguments give directory and number.
inline std::vector<std::string> PathsOf(const std::string& dir, uint64_t files) {
  std::vector<std::string> paths;
  for (uint64_t n = 0; n < files; n++) {
    char name[32];
    std::snprintf(name, sizeof(name), "/%05llu.sst", static_cast<unsigned long long>(n));
    paths.push_back(dir + name);
  }
  return paths;
}

// Hard links to the files of the set, made anew, that may be moved away.
inline std::vector<std::string> Relink(const std::string& set, const std::string& dir) {
  const fs::path sources = dir + "-sources";
  fs::remove_all(sources);
  fs::create_directories(sources);
  std::vector<std::string> links;
  for (const std::string& file : PathsOf(Text(set + ".dir"), Number(set + ".files"))) {
    links.push_back(sources / fs::path(file).filename());
    fs::create_hard_link(file, links.back());
  }
  return links;
}
