#include "sim/linear/kv_witness.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace trireme::linear {
namespace {

/// One key that does one thing at a time.
class Key {
 public:
  std::uint64_t version() const { return version_; }

  KvResult Run(const KvCall& call) {
    switch (call.kind) {
      case KvKind::kGet:
        if (version_ == 0) return {KvCode::kNoKey, "", 0};
        return {KvCode::kOk, value_, version_};
      case KvKind::kComparePut:
        if (version_ == 0 && call.expected != 0) return {KvCode::kNoKey, "", 0};
        if (version_ != call.expected) return {KvCode::kWrongVersion, "", 0};
        return Write(call.value);
      case KvKind::kPut:
        return Write(call.value);
      case KvKind::kAppend:
        return Write(value_ + call.value);
    }
    return {};
  }

 private:
  KvResult Write(std::string value) {
    value_ = std::move(value);
    return {KvCode::kOk, "", ++version_};
  }

  std::string value_;
  std::uint64_t version_ = 0;
};

bool Agrees(const KvCall& call, const KvResult& result) {
  if (!call.result) return true;
  if (call.result->code != result.code) return false;
  if (result.code != KvCode::kOk) return true;
  if (call.result->version != result.version) return false;
  return call.kind != KvKind::kGet || call.result->value == result.value;
}

/// The calls of one key in an order that may explain them.
class Order {
 public:
  void Effect(const KvCall& call) {
    const std::uint64_t before = state_.version();
    const KvResult result = state_.Run(call);
    if (state_.version() != before) {
      writes_.push_back(&call);
    } else if (call.result) {
      Observes(call, before);
    }
  }
  void Observes(const KvCall& call, std::uint64_t version) { observers_[version].push_back(&call); }

  /// Runs all of it, each call as early as it may.
  bool Holds() {
    Key key;
    std::uint64_t now = 0;
    const auto happens = [&](const KvCall& call) {
      now = std::max(now, call.called);
      return now <= call.returned && Agrees(call, key.Run(call));
    };
    for (std::uint64_t version = 0;; ++version) {
      std::vector<const KvCall*>& observers = observers_[version];
      std::sort(observers.begin(), observers.end(),
                [](const KvCall* a, const KvCall* b) { return a->called < b->called; });
      for (const KvCall* call : observers) {
        if (!happens(*call) || key.version() != version) return false;
      }
      if (version == writes_.size()) return observers_.rbegin()->first == version;
      if (!happens(*writes_[version]) || key.version() != version + 1) return false;
    }
  }

 private:
  Key state_;
  std::vector<const KvCall*> writes_;
  std::map<std::uint64_t, std::vector<const KvCall*>> observers_;  // by the version they see
};

}  // namespace

bool Explains(const std::vector<KvCall>& history, const std::vector<std::size_t>& effects) {
  std::map<std::string, Order> keys;
  std::vector<bool> placed(history.size(), false);
  for (const std::size_t place : effects) {
    if (place >= history.size() || placed[place]) return false;
    placed[place] = true;
    if (!history[place].result && history[place].kind == KvKind::kGet) continue;
    keys[history[place].key].Effect(history[place]);
  }
  for (std::size_t place = 0; place < history.size(); ++place) {
    const KvCall& call = history[place];
    if (placed[place] || !call.result) continue;  // of unknown outcome: never
    if (call.kind != KvKind::kGet) return false;
    keys[call.key].Observes(call, call.result->code == KvCode::kOk ? call.result->version : 0);
  }
  return std::all_of(keys.begin(), keys.end(), [](auto& entry) { return entry.second.Holds(); });
}

}  // namespace trireme::linear
