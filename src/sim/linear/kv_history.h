#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/linear/search.h"
#include "sim/linear/verdict.h"

/// Histories of a key-value store whose values carry versions: the first write of a key makes
/// version 1, each further one adds 1.
namespace trireme::linear {

enum class KvKind : std::uint8_t {
  kGet,
  kPut,         ///< Whatever is there.
  kComparePut,  ///< Only when the key has version `expected`; 0: only when there is no such key.
  kAppend,      ///< To what is there, or to nothing.
};

enum class KvCode : std::uint8_t {
  kOk,
  kNoKey,         ///< Get; compare-put that expects a version of a key that is not there.
  kWrongVersion,  ///< Compare-put.
};

struct KvResult {
  KvCode code = KvCode::kOk;
  std::string value;          ///< Get, kOk.
  std::uint64_t version = 0;  ///< kOk: after the operation. Not looked at in a register's history.
  friend bool operator==(const KvResult&, const KvResult&) = default;
};

struct KvCall {
  std::uint64_t client = 0;  ///< For messages only.
  std::string key;
  KvKind kind = KvKind::kGet;
  std::string value;           ///< What is put or appended.
  std::uint64_t expected = 0;  ///< Compare-put.
  std::uint64_t called = 0;
  std::uint64_t returned = kNever;
  std::optional<KvResult> result;  ///< None: unknown, and `returned` is kNever.
};

/// "client 3: put k1 'x' -> version 4 [120, 180]".
std::string Text(const KvCall& call);

/// Each key by itself: a history is linearizable when every object's part is (Herlihy & Wing's
/// locality; for the speed of it Horn & Kroening, "Faster linearizability checking via
/// P-compositionality", FORTE 2015). The limits hold for each key. `why` of a violation names key,
/// operation and the states that were possible before it.
Verdict CheckKv(const std::vector<KvCall>& history, const Limits& limits = {});

/// The same for results that tell no versions; compare-put does not occur.
Verdict CheckRegisters(const std::vector<KvCall>& history, const Limits& limits = {});

}  // namespace trireme::linear
