#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "kv/model/ordered_store.h"

namespace trireme::kv::inline engine {

/// The plainest ordered store: a map, copied for each snapshot. For tests.
class TestStore final : public OrderedStore {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;

  void Put(std::string_view key, std::string_view value) override {
    entries_->insert_or_assign(std::string(key), std::string(value));
  }
  void Erase(std::string_view key) override {
    if (const auto it = entries_->find(key); it != entries_->end()) entries_->erase(it);
  }
  absl::Status Commit() override { return absl::OkStatus(); }
  absl::Status Flush() override { return absl::OkStatus(); }
  FlushWait StartFlush() override {
    return [] { return absl::OkStatus(); };
  }
  std::unique_ptr<StoreIterator> NewIterator() const override {
    return std::make_unique<Iterator>(entries_, moves_);
  }
  std::shared_ptr<const StoreReader> Snapshot() override {
    return std::make_shared<Frozen>(std::make_shared<Map>(*entries_), moves_);
  }
  const Map& entries() const { return *entries_; }
  /// Seeks and steps of all iterators so far, those of snapshots too.
  std::size_t moves() const { return *moves_; }

 private:
  class Iterator final : public StoreIterator {
   public:
    Iterator(std::shared_ptr<const Map> map, std::shared_ptr<std::size_t> moves)
        : map_(std::move(map)), moves_(std::move(moves)), it_(map_->end()) {}
    void Seek(std::string_view from) override {
      ++*moves_;
      it_ = map_->lower_bound(from);
    }
    void SeekWithin(std::string_view from, std::string_view prefix) override {
      Seek(from);
      if (Valid() && !key().starts_with(prefix)) it_ = map_->end();
    }
    void Next() override {
      ++*moves_;
      ++it_;
    }
    bool Valid() const override { return it_ != map_->end(); }
    std::string_view key() const override { return it_->first; }
    std::string_view value() const override { return it_->second; }
    absl::Status status() const override { return absl::OkStatus(); }

   private:
    std::shared_ptr<const Map> map_;
    std::shared_ptr<std::size_t> moves_;
    Map::const_iterator it_;
  };

  class Frozen final : public StoreReader {
   public:
    Frozen(std::shared_ptr<const Map> map, std::shared_ptr<std::size_t> moves)
        : map_(std::move(map)), moves_(std::move(moves)) {}
    std::unique_ptr<StoreIterator> NewIterator() const override {
      return std::make_unique<Iterator>(map_, moves_);
    }

   private:
    std::shared_ptr<const Map> map_;
    std::shared_ptr<std::size_t> moves_;
  };

  std::shared_ptr<Map> entries_ = std::make_shared<Map>();
  std::shared_ptr<std::size_t> moves_ = std::make_shared<std::size_t>(0);
};

}  // namespace trireme::kv::inline engine
