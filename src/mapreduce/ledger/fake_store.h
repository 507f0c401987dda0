#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mapreduce/ledger/transaction.h"

namespace trireme::mapreduce::ledger {

/// What the ledger needs of an etcd, for tests.
class FakeStore {
 public:
  std::int64_t PutKey(const std::string& key, std::string value) {
    Set(key, std::move(value), ++revision_);
    return revision_;
  }
  void DeleteKey(const std::string& key) { ++revision_, keys_.erase(key); }

  Answer Run(const Write& write) {
    for (const Condition& condition : write.conditions) {
      if (!Holds(condition)) return {write.id, Refuse(write)};
    }
    ++revision_;
    for (const Range& range : write.deletes) {
      keys_.erase(keys_.lower_bound(range.begin), keys_.lower_bound(range.end));
    }
    for (const Put& put : write.puts) Set(put.key, put.value, revision_);
    return {write.id, Written{revision_}};
  }

  Page Run(const Read& read) const {
    Page page;
    page.revision = revision_;
    for (auto at = keys_.lower_bound(read.range.begin);
         at != keys_.end() && at->first < read.range.end; ++at) {
      page.more = static_cast<std::int64_t>(page.keys.size()) == read.limit;
      if (page.more) break;
      page.keys.push_back(at->second);
    }
    return page;
  }

  std::map<std::string, FoundKey>& keys() { return keys_; }
  std::int64_t revision() const { return revision_; }

 private:
  void Set(const std::string& key, std::string value, std::int64_t revision) {
    FoundKey& found = keys_[key];
    if (found.created == 0) found = {key, "", revision, revision};
    found.value = std::move(value);
    found.modified = revision;
  }

  bool Holds(const Condition& condition) const {
    const auto found = keys_.find(condition.key);
    if (found == keys_.end()) return condition.equals == 0;
    return condition.equals ==
           (condition.field == Field::kCreated ? found->second.created : found->second.modified);
  }

  Refused Refuse(const Write& write) const {
    Refused refused;
    for (const std::string& key : write.reads) {
      if (const auto found = keys_.find(key); found != keys_.end()) {
        refused.found.push_back(found->second);
      }
    }
    return refused;
  }

  std::map<std::string, FoundKey> keys_;
  std::int64_t revision_ = 1;
};

}  // namespace trireme::mapreduce::ledger
