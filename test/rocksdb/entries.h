// The entries that the RocksDB programs and the TypeScript tests exchange, in one flat file:
//
//   { u8 type (1 put, 0 delete) | u32le key length | u32le value length | key | value } *
//
// Sorted bytewise, keys unique. `entries.ts` is the other side.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

struct Entry {
  bool put;
  std::string key;
  std::string value;
};

[[noreturn]] inline void Fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

inline void PutU32(std::string* out, uint32_t n) {
  for (int shift = 0; shift < 32; shift += 8) out->push_back(static_cast<char>(n >> shift));
}

inline void WriteEntries(const std::string& path, const std::vector<Entry>& entries) {
  std::string bytes;
  for (const Entry& e : entries) {
    bytes.push_back(e.put ? 1 : 0);
    PutU32(&bytes, static_cast<uint32_t>(e.key.size()));
    PutU32(&bytes, static_cast<uint32_t>(e.value.size()));
    bytes += e.key;
    bytes += e.value;
  }
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) Fail("cannot write " + path);
}

inline std::vector<Entry> ReadEntries(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) Fail("cannot read " + path);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::vector<Entry> entries;
  size_t at = 0;
  auto u32 = [&] {
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) n |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at++])) << (8 * i);
    return n;
  };
  while (at + 9 <= bytes.size()) {
    const bool put = bytes[at++] == 1;
    const uint32_t key_length = u32();
    const uint32_t value_length = u32();
    if (at + key_length + value_length > bytes.size()) Fail(path + " is cut short");
    entries.push_back({put, bytes.substr(at, key_length), bytes.substr(at + key_length, value_length)});
    at += key_length + value_length;
  }
  if (at != bytes.size()) Fail(path + " is cut short");
  return entries;
}
