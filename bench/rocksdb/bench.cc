// The RocksDB side of the benchmark: does what child.mjs does, on the same data, and prints the same line of JSON.
//
//   bench KIND NAME=VALUE…
//   bench version

#include <sys/resource.h>

#include "bench.h"
#include "ingest.h"
#include "reads.h"
#include "tables.h"
#include "tree.h"
#include "writes.h"

static const std::map<std::string, std::function<void()>> kKinds = {
    {"build", [] { Build(false); }},
    {"load", [] { Build(true); }},
    {"compaction", Compaction},
    {"interleaved", Interleaved},
    {"files", MakeFiles},
    {"get", Get},
    {"scan", FullScan},
    {"manyTables", ManyTables},
    {"openToFirstRead", OpenToFirstRead},
    {"commit", Commit},
    {"randomLoad", RandomLoad},
    {"memory", Memory},
    {"treeLoad", TreeLoad},
    {"tree", Tree},
    {"ingest", Ingest},
    {"putsBesideIngest", PutsBesideIngest},
};

static void Print(const char* name, const std::map<std::string, double>& values) {
  std::printf("\"%s\":{", name);
  const char* comma = "";
  for (const auto& [key, value] : values) {
    std::printf("%s\"%s\":%.17g", comma, key.c_str(), value);
    comma = ",";
  }
  std::printf("},");
}

int main(int argc, char** argv) {
  Require(argc >= 2, "usage: bench KIND NAME=VALUE...");
  if (std::string(argv[1]) == "version") {
    std::printf("%s\n", GetRocksVersionAsString().c_str());
    return 0;
  }
  for (int i = 2; i < argc; i++) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    Require(equals != std::string::npos, "arguments are NAME=VALUE");
    args[arg.substr(0, equals)] = arg.substr(equals + 1);
  }
  rlimit files;  // RocksDB keeps all tables open, as many as there are
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const auto kind = kKinds.find(argv[1]);
  Require(kind != kKinds.end(), "unknown kind");
  kind->second();

  std::printf("{");
  Print("rows", rows);
  if (!facts.empty()) Print("facts", facts);
  std::printf("\"memoryBytes\":%.0f,\"writtenBytes\":%.0f}\n", PeakMemory() - base_bytes, Written());
  return 0;
}
