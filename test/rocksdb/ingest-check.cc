// Lets RocksDB itself judge files: ingests each with all checksums verified, gets every key, scans both ways.
//
//   ingest-check (DB EXPECTED FILE DUMP)…
//
// Each DB must not exist. EXPECTED and DUMP are in the form of entries.h; DUMP receives what a forward scan shows. Exits 1
// with a message on the first thing that is not as expected.

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include "entries.h"

using namespace rocksdb;

static std::string judged;

static void Wrong(const std::string& what) { Fail(judged + ": " + what); }

static void Check(const Status& s, const char* what) {
  if (!s.ok()) Wrong(std::string(what) + ": " + s.ToString());
}

static void Judge(const std::string& path, const std::vector<Entry>& expected, const std::string& file,
                  const std::string& dump) {
  judged = file;

  Options options;
  options.create_if_missing = true;
  options.error_if_exists = true;
  DB* db = nullptr;
  Check(DB::Open(options, path, &db), "open");

  IngestExternalFileOptions ingest;
  ingest.verify_checksums_before_ingest = true;
  ingest.write_global_seqno = false;  // the file under test stays as it is
  Check(db->IngestExternalFile({file}, ingest), "ingest");

  const ReadOptions read;
  std::string value;
  size_t puts = 0;
  for (const Entry& e : expected) {
    const Status s = db->Get(read, e.key, &value);
    if (e.put) {
      puts++;
      Check(s, "get");
      if (value != e.value) Wrong("get: another value at entry " + std::to_string(&e - expected.data()));
    } else if (!s.IsNotFound()) {
      Wrong("get: a deleted key is there: " + s.ToString());
    }
  }

  std::vector<Entry> scanned;
  Iterator* it = db->NewIterator(read);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    scanned.push_back({true, it->key().ToString(), it->value().ToString()});
  }
  Check(it->status(), "scan");
  size_t backward = 0;
  for (it->SeekToLast(); it->Valid(); it->Prev()) backward++;
  Check(it->status(), "backward scan");
  delete it;
  if (scanned.size() != puts || backward != puts) Wrong("scan: another number of entries");
  WriteEntries(dump, scanned);

  Check(db->VerifyChecksum(), "verify");
  Check(db->Close(), "close");
  delete db;
}

int main(int argc, char** argv) {
  if (argc < 5 || argc % 4 != 1) Fail("usage: ingest-check (DB EXPECTED FILE DUMP)...");
  for (int i = 1; i < argc; i += 4) Judge(argv[i], ReadEntries(argv[i + 1]), argv[i + 2], argv[i + 3]);
  return 0;
}
