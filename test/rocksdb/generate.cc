// Writes, with RocksDB's own SstFileWriter, the same entries in every combination of format version 2 to 5, checksum,
// compression, filter and index; and range deletions.
//
//   generate DIR [FILE]  →  DIR/entries.bin (see entries.h), one .sst per combination or only FILE,
//                    DIR/manifest.tsv: file, format version, checksum, compression, filter, index;
//                    DIR/ranges.sst, DIR/ranges-only.sst: range deletions, with entries in and beside them, and alone;
//                    DIR/ranges-before.bin: what a database held before RocksDB ingested the two,
//                    DIR/ranges-after.bin: what it showed then
//
// Blocks are small (1 KiB, index partitions of 256 bytes), so that a few thousand entries make hundreds of blocks and
// dozens of index partitions.

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include <map>
#include <random>

#include "entries.h"

using namespace rocksdb;

static const int kEntries = 3000;

// Keys that share long prefixes, are prefixes of each other, hold 0x00 and 0xff, and reach the longest key allowed.
static std::vector<Entry> MakeEntries() {
  std::mt19937_64 random(20260);
  auto below = [&](uint64_t n) { return random() % n; };
  auto bytes = [&](size_t n, int alphabet) {
    std::string s;
    for (size_t i = 0; i < n; i++) s.push_back(static_cast<char>(below(alphabet)));
    return s;
  };
  std::map<std::string, Entry> sorted;
  auto add = [&](const std::string& key, size_t value_length) {
    const bool put = below(10) != 0;
    sorted[key] = {put, key, put ? bytes(value_length / 2, 256) + std::string(value_length - value_length / 2, 'v') : ""};
  };
  add(std::string(1, '\0'), 0);
  add(std::string(2, '\0'), 1);
  add(std::string(1, '\xff'), 3);
  add(std::string(40, '\xff'), 3);
  add("k" + std::string(65534, 'x'), 10);
  sorted["large"] = {true, "large", bytes(100000, 4)};
  while (sorted.size() < static_cast<size_t>(kEntries)) {
    switch (below(5)) {
      case 0: add(bytes(1 + below(12), 256), below(60)); break;
      case 1: add("user" + std::to_string(below(100000000)), below(200)); break;
      case 2: add(std::string(1 + below(300), 'a') + bytes(below(3), 3), below(30)); break;
      case 3: add("t/" + std::to_string(below(8)) + "/" + bytes(1 + below(6), 4), below(1200)); break;
      default: {
        auto it = sorted.lower_bound(bytes(2, 256));
        if (it != sorted.end() && it->first.size() < 400) add(it->first + bytes(1, 2), below(100));
      }
    }
  }
  std::vector<Entry> entries;
  for (auto& [key, entry] : sorted) entries.push_back(entry);
  return entries;
}

struct Choice {
  const char* name;
  int value;
};

static const Choice kChecksums[] = {
    {"crc32c", kCRC32c}, {"xxhash", kxxHash}, {"xxhash64", kxxHash64}, {"xxh3", kXXH3}, {"none", kNoChecksum}};
static const Choice kCompressions[] = {{"none", kNoCompression},
                                       {"snappy", kSnappyCompression},
                                       {"lz4", kLZ4Compression},
                                       {"zstd", kZSTD},
                                       {"zlib", kZlibCompression}};
static const Choice kFilters[] = {{"none", 0}, {"bloom", 1}};
static const Choice kIndexes[] = {{"plain", BlockBasedTableOptions::kBinarySearch},
                                  {"partitioned", BlockBasedTableOptions::kTwoLevelIndexSearch}};

static void WriteFile(const std::string& path, const BlockBasedTableOptions& table, CompressionType compression,
                      const std::vector<Entry>& entries) {
  Options options;
  options.compression = compression;
  options.table_factory.reset(NewBlockBasedTableFactory(table));
  SstFileWriter writer(EnvOptions(), options);
  Status s = writer.Open(path);
  for (const Entry& e : entries) {
    if (!s.ok()) break;
    s = e.put ? writer.Put(e.key, e.value) : writer.Delete(e.key);
  }
  if (s.ok()) s = writer.Finish();
  if (!s.ok()) Fail(path + ": " + s.ToString());
}

static void Check(const Status& s, const char* what) {
  if (!s.ok()) Fail(std::string(what) + ": " + s.ToString());
}

static std::string Numbered(int n) {
  char key[16];
  snprintf(key, sizeof key, "key%05d", n);
  return key;
}

// Overlapping, adjoining and empty ranges; entries at both ends of ranges, inside, and outside of the filter's reach.
static void WriteRanges(const std::string& path, bool with_entries) {
  BlockBasedTableOptions table;
  table.block_size = 1024;
  table.filter_policy.reset(NewBloomFilterPolicy(10));
  Options options;
  options.compression = kLZ4Compression;
  options.table_factory.reset(NewBlockBasedTableFactory(table));
  SstFileWriter writer(EnvOptions(), options);
  Check(writer.Open(path), "open ranges");
  if (with_entries) {
    for (int n : {50, 100, 101, 250, 299, 300, 450}) {
      Check(n == 101 ? writer.Delete(Numbered(n)) : writer.Put(Numbered(n), "over"), "write");
    }
    Check(writer.DeleteRange(Numbered(100), Numbered(200)), "delete range");
    Check(writer.DeleteRange(Numbered(150), Numbered(300)), "delete range");
    Check(writer.DeleteRange(Numbered(300), Numbered(310)), "delete range");
    Check(writer.DeleteRange(Numbered(400), Numbered(500)), "delete range");
    Check(writer.DeleteRange(Numbered(410), Numbered(420)), "delete range");
  } else {
    Check(writer.DeleteRange(Numbered(600), Numbered(650)), "delete range");
  }
  Check(writer.Finish(), "finish ranges");
}

// What RocksDB itself makes of them.
static void ShowRanges(const std::string& dir) {
  std::vector<Entry> before;
  for (int n = 0; n < 700; n += n % 3 + 1) before.push_back({true, Numbered(n), "value " + std::to_string(n)});
  WriteEntries(dir + "/ranges-before.bin", before);
  Options options;
  options.create_if_missing = true;
  DB* db = nullptr;
  Check(DB::Open(options, dir + "/ranges-db", &db), "open");
  for (const Entry& e : before) Check(db->Put(WriteOptions(), e.key, e.value), "put");
  IngestExternalFileOptions ingest;
  ingest.write_global_seqno = false;
  Check(db->IngestExternalFile({dir + "/ranges.sst"}, ingest), "ingest");
  Check(db->IngestExternalFile({dir + "/ranges-only.sst"}, ingest), "ingest");
  std::vector<Entry> after;
  Iterator* it = db->NewIterator(ReadOptions());
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    after.push_back({true, it->key().ToString(), it->value().ToString()});
  }
  Check(it->status(), "scan");
  delete it;
  Check(db->Close(), "close");
  delete db;
  WriteEntries(dir + "/ranges-after.bin", after);
}

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) Fail("usage: generate DIR [FILE]");
  const std::string dir = argv[1];
  const std::string only = argc == 3 ? argv[2] : "";
  const std::vector<Entry> entries = MakeEntries();
  WriteEntries(dir + "/entries.bin", entries);
  std::ofstream manifest(dir + "/manifest.tsv");
  for (int format_version = 2; format_version <= 5; format_version++)
    for (const Choice& checksum : kChecksums)
      for (const Choice& compression : kCompressions)
        for (const Choice& filter : kFilters)
          for (const Choice& index : kIndexes) {
            BlockBasedTableOptions table;
            table.format_version = format_version;
            table.checksum = static_cast<ChecksumType>(checksum.value);
            table.index_type = static_cast<BlockBasedTableOptions::IndexType>(index.value);
            table.block_size = 1024;
            table.metadata_block_size = 256;
            if (filter.value) table.filter_policy.reset(NewBloomFilterPolicy(10));
            const std::string name = "fv" + std::to_string(format_version) + "-" + checksum.name + "-" + compression.name +
                                     "-" + filter.name + "-" + index.name + ".sst";
            if (!only.empty() && only != name) continue;
            WriteFile(dir + "/" + name, table, static_cast<CompressionType>(compression.value), entries);
            manifest << name << '\t' << format_version << '\t' << checksum.name << '\t' << compression.name << '\t'
                     << filter.name << '\t' << index.name << '\n';
          }
  WriteRanges(dir + "/ranges.sst", true);
  WriteRanges(dir + "/ranges-only.sst", false);
  ShowRanges(dir);
  if (!manifest.flush()) Fail("cannot write the manifest");
  return 0;
}
