// Attaching files: the call, and puts beside it.

#pragma once

#include <atomic>

#include "bench.h"

inline IngestExternalFileOptions IngestOptions(bool move, bool verify) {
  IngestExternalFileOptions ingest;
  ingest.move_files = move;
  ingest.write_global_seqno = false;
  ingest.verify_checksums_before_ingest = verify;
  return ingest;
}

inline double IngestOnce(const std::string& dir, bool verify) {
  const auto sources = Relink("set", dir);
  fs::remove_all(dir);
  auto db = OpenDb(dir, 64 << 20);
  const auto started = Clock::now();
  Check(db->IngestExternalFile(sources, IngestOptions(true, verify)), "ingest");
  const double ms = Seconds(started) * 1000;
  Check(db->Close(), "close");
  return ms;
}

inline void Ingest() {
  InputIsRead();
  std::vector<double> checked;
  std::vector<double> unchecked;
  for (uint64_t n = 0; n < Number("repeats"); n++) {
    checked.push_back(IngestOnce(Text("dir"), true));
    unchecked.push_back(IngestOnce(Text("dir"), false));
  }
  rows["checkedMs"] = Median(checked);
  rows["uncheckedMs"] = Median(unchecked);
  rows["commitMs"] = Median(unchecked);  // RocksDB's ingest is one call
}

inline void PutsBesideIngest() {
  const std::string dir = Text("dir");
  Fresh(dir);
  auto db = OpenDb(dir, 64 << 20);
  InputIsRead();
  Random random(8);
  const std::string value(kValueBytes, 'v');
  WriteOptions durable;
  durable.sync = true;
  auto put_until = [&](std::vector<double>* times, const std::function<bool()>& over) {
    while (!over()) {
      const auto started = Clock::now();
      Check(db->Put(durable, KeyOf(random.Next() * 100ull + 1), value), "put");
      times->push_back(Seconds(started) * 1000);
    }
  };
  auto during = [&](std::vector<double>* times, double seconds) {
    const auto started = Clock::now();
    put_until(times, [&] { return Seconds(started) >= seconds; });
  };
  std::vector<double> warm_up;
  std::vector<double> idle;
  std::vector<double> beside;
  std::vector<double> first;
  const double least = Number("leastMs") / 1000.0;
  during(&warm_up, least);
  for (int n = 0; n <= 3; n++) {
    const auto sources = Relink("set", dir);
    const auto started = Clock::now();
    std::atomic<bool> done{false};
    std::thread ingesting([&] {
      Check(db->IngestExternalFile(sources, IngestOptions(Text("mode") == "move", true)), "ingest");
      done = true;
    });
    put_until(n == 0 ? &first : &beside, [&] { return done.load(); });
    ingesting.join();
    const double took = Seconds(started);
    AwaitBackgroundWork(db.get());
    during(&idle, std::max(least, took));
  }
  rows["idleMs"] = Quantile(idle, 0.99);
  rows["besideMs"] = Quantile(beside, 0.99);
  rows["factor"] = rows["besideMs"] / rows["idleMs"];
  rows["firstFactor"] = Quantile(first, 0.99) / rows["idleMs"];
  facts["puts"] = static_cast<double>(beside.size());
}
