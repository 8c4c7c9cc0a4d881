// The RocksDB side of the benchmark: does what child.mjs does, on the same data, and prints the same line of JSON.
//
//   bench KIND NAME=VALUE…        (files=A,B,C)

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace rocksdb;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

static const size_t kKeyBytes = 16;
static const size_t kValueBytes = 100;

static std::map<std::string, std::string> args;
static std::map<std::string, double> rows;
static double base_bytes = 0;

static void Check(const Status& s, const char* what) {
  if (s.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, s.ToString().c_str());
  std::exit(1);
}

static void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

static const std::string& Text(const std::string& name) {
  Require(args.count(name) == 1, ("missing argument " + name).c_str());
  return args[name];
}
static uint64_t Number(const std::string& name) { return std::stoull(Text(name)); }

static double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

static double ProcField(const char* path, const std::string& field) {
  std::ifstream in(path);
  std::string word;
  double value = 0;
  while (in >> word) {
    if (word == field) in >> value;
  }
  return value;
}

static void InputIsRead() { base_bytes = ProcField("/proc/self/status", "VmRSS:") * 1024; }

static std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  Require(in.good(), ("cannot read " + path).c_str());
  std::string bytes(static_cast<size_t>(in.tellg()), '\0');
  in.seekg(0).read(&bytes[0], static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

static double Median(std::vector<double> list) {
  std::sort(list.begin(), list.end());
  return list[list.size() / 2];
}

static Options MakeOptions(size_t cache_bytes) {
  BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = kXXH3;
  table.filter_policy.reset(NewBloomFilterPolicy(10));
  table.block_cache = NewLRUCache(cache_bytes);
  Options options;
  options.create_if_missing = true;
  options.compression = kLZ4Compression;
  options.table_factory.reset(NewBlockBasedTableFactory(table));
  return options;
}

static std::unique_ptr<DB> OpenDb(const std::string& dir, size_t cache_bytes) {
  DB* db = nullptr;
  Check(DB::Open(MakeOptions(cache_bytes), dir, &db), "open");
  return std::unique_ptr<DB>(db);
}

static void BuildTable(const std::string& path, uint64_t from, uint64_t to,
                       const std::function<Slice(uint64_t)>& key_at, const std::function<Slice(uint64_t)>& value_at) {
  SstFileWriter writer(EnvOptions(), MakeOptions(8 << 20));
  Check(writer.Open(path), "open table");
  for (uint64_t i = from; i < to; i++) Check(writer.Put(key_at(i), value_at(i)), "put");
  Check(writer.Finish(), "finish");
}

static std::function<Slice(uint64_t)> Slices(const std::string& bytes, size_t width) {
  return [&bytes, width](uint64_t i) { return Slice(bytes.data() + i * width, width); };
}

static void Build(bool load) {
  const std::string keys = ReadAll(Text("data") + "/keys.bin");
  const std::string values = ReadAll(Text("data") + "/values.bin");
  const std::string dir = Text("dir");
  const uint64_t count = Number("count");
  InputIsRead();
  fs::remove_all(dir);
  fs::create_directories(dir);
  const std::string file = dir + ".built.sst";
  fs::remove(file);
  const auto started = Clock::now();
  BuildTable(file, 0, count, Slices(keys, kKeyBytes), Slices(values, kValueBytes));
  if (load) {
    auto db = OpenDb(dir, Number("cacheBytes"));
    IngestExternalFileOptions ingest;
    ingest.move_files = true;
    Check(db->IngestExternalFile({file}, ingest), "ingest");
    rows["bulk load, sorted"] = count / Seconds(started);
    Check(db->Close(), "close");
  } else {
    rows["table build"] = count / Seconds(started);
    fs::remove(file);
  }
}

static void Get() {
  std::string keys = ReadAll(Text("data") + "/keys.bin");
  const uint64_t count = Number("count");
  const uint64_t reads = Number("reads");
  const bool missing = Text("missing") == "true";
  InputIsRead();
  auto key_at = Slices(keys, kKeyBytes);
  auto db = OpenDb(Text("dir"), Number("cacheBytes"));
  const ReadOptions read;
  std::string value;
  for (uint64_t i = 0; i < count; i += 16) Check(db->Get(read, key_at(i), &value), "warm");
  if (missing) {
    for (uint64_t i = 0; i < count; i++) keys[i * kKeyBytes + kKeyBytes - 1]++;
  }
  std::mt19937 random(3);
  uint64_t found = 0;
  uint64_t touched = 0;
  const auto started = Clock::now();
  for (uint64_t n = 0; n < reads; n++) {
    if (!db->Get(read, key_at(random() % count), &value).ok()) continue;
    found++;
    touched += static_cast<uint8_t>(value[0]);
  }
  rows[missing ? "get, missing key" : "get, random, warm"] = reads / Seconds(started);
  Require(found == (missing ? 0 : reads) && touched != 1, "get: another number was found");
}

static void Scan() {
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
  rows["scan into Buffers, warm"] = best;
}

static double CommitFor(DB* db, int committers, double seconds) {
  std::atomic<uint64_t> commits{0};
  std::vector<std::thread> threads;
  const auto started = Clock::now();
  for (int t = 0; t < committers; t++) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t + 1);
      WriteOptions durable;
      durable.sync = true;
      const std::string value(kValueBytes, 'v');
      char key[32];
      do {
        std::snprintf(key, sizeof(key), "user%012llu", static_cast<unsigned long long>(random() % 1000000000000ull));
        Check(db->Put(durable, Slice(key, kKeyBytes), value), "put");
        commits++;
      } while (Seconds(started) < seconds);
    });
  }
  for (auto& thread : threads) thread.join();
  return commits / Seconds(started);
}

static void Commit() {
  const int committers = static_cast<int>(Number("committers"));
  const double seconds = Number("measureMs") / 1000.0;
  fs::remove_all(Text("dir"));
  fs::create_directories(fs::path(Text("dir")).parent_path());
  auto db = OpenDb(Text("dir"), 64 << 20);
  InputIsRead();
  CommitFor(db.get(), committers, seconds / 4);
  rows["durable commits, " + std::to_string(committers) + " at once"] = CommitFor(db.get(), committers, seconds);
}

static std::vector<std::string> Files() {
  std::vector<std::string> files;
  std::string rest = Text("files");
  for (size_t comma; (comma = rest.find(',')) != std::string::npos; rest = rest.substr(comma + 1)) {
    files.push_back(rest.substr(0, comma));
  }
  files.push_back(rest);
  return files;
}

static double IngestOnce(const std::string& dir, const std::vector<std::string>& files, bool verify) {
  const fs::path sources_dir = dir + "-sources";
  fs::remove_all(sources_dir);
  fs::create_directories(sources_dir);
  std::vector<std::string> sources;
  for (const std::string& file : files) {
    sources.push_back(sources_dir / fs::path(file).filename());
    fs::create_hard_link(file, sources.back());
  }
  fs::remove_all(dir);
  auto db = OpenDb(dir, 64 << 20);
  IngestExternalFileOptions ingest;
  ingest.move_files = true;
  ingest.write_global_seqno = false;
  ingest.verify_checksums_before_ingest = verify;
  const auto started = Clock::now();
  Check(db->IngestExternalFile(sources, ingest), "ingest");
  const double ms = Seconds(started) * 1000;
  Check(db->Close(), "close");
  return ms;
}

static void Ingest() {
  const std::vector<std::string> files = Files();
  const std::string row = "ingest " + Text("label");
  InputIsRead();
  std::vector<double> checked;
  std::vector<double> unchecked;
  for (uint64_t n = 0; n < Number("repeats"); n++) {
    checked.push_back(IngestOnce(Text("dir"), files, true));
    unchecked.push_back(IngestOnce(Text("dir"), files, false));
  }
  rows[row + ", call, all blocks checked"] = Median(checked);
  rows[row + ", call, unchecked"] = Median(unchecked);
  rows[row + ", commit alone"] = Median(unchecked);  // RocksDB's ingest is one call
}

// The files that the ingest cases take: not measured. Only for runs without SluiceDB, which makes them otherwise.
static void MakeFiles() {
  const std::vector<std::string> files = Files();
  const uint64_t entries = Number("entries");
  std::mt19937_64 random(2);
  std::string value(Number("valueBytes"), 'v');
  char key[32];
  fs::create_directories(fs::path(files[0]).parent_path());
  auto key_at = [&](uint64_t i) {
    std::snprintf(key, sizeof(key), "user%012llu", static_cast<unsigned long long>(2 * i));
    return Slice(key, kKeyBytes);
  };
  auto value_at = [&](uint64_t) {
    for (size_t i = 0; i < value.size() / 2; i++) value[i] = static_cast<char>(random());
    return Slice(value);
  };
  for (size_t n = 0; n < files.size(); n++) {
    fs::remove(files[n]);
    BuildTable(files[n], n * entries, (n + 1) * entries, key_at, value_at);
  }
}

int main(int argc, char** argv) {
  Require(argc >= 2, "usage: bench KIND NAME=VALUE...");
  for (int i = 2; i < argc; i++) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    Require(equals != std::string::npos, "arguments are NAME=VALUE");
    args[arg.substr(0, equals)] = arg.substr(equals + 1);
  }
  const std::string kind = argv[1];
  if (kind == "build") Build(false);
  else if (kind == "load") Build(true);
  else if (kind == "get") Get();
  else if (kind == "scan") Scan();
  else if (kind == "commit") Commit();
  else if (kind == "ingest") Ingest();
  else if (kind == "files") MakeFiles();
  else Require(false, "unknown kind");

  std::printf("{\"rows\":{");
  const char* comma = "";
  for (const auto& [row, value] : rows) {
    std::printf("%s\"%s\":%.17g", comma, row.c_str(), value);
    comma = ",";
  }
  std::printf("},\"memoryBytes\":%.0f,\"writtenBytes\":%.0f}\n",
              ProcField("/proc/self/status", "VmHWM:") * 1024 - base_bytes, ProcField("/proc/self/io", "write_bytes:"));
  return 0;
}
