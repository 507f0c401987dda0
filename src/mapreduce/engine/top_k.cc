#include <trireme/mapreduce.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/engine/number.h"

namespace trireme::mapreduce {
namespace {

/// The `k` largest of the numbers it is given, in memory for k.
class Largest {
 public:
  explicit Largest(std::size_t k) : k_(k) {}

  /// Forgets the numbers of the last call.
  void Take(Values& values) {
    heap_.clear();
    for (std::int64_t value = 0; values.Next(&value);) {
      if (heap_.size() < k_) {
        heap_.push_back(value);
        std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
      } else if (k_ != 0 && value > heap_.front()) {
        std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
        heap_.back() = value;
        std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
      }
    }
    std::sort_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  /// Descending.
  const std::vector<std::int64_t>& numbers() const { return heap_; }

 private:
  const std::size_t k_;
  std::vector<std::int64_t> heap_;  // while taking: the least in front
};

class TopCombiner final : public Combiner {
 public:
  explicit TopCombiner(std::size_t k) : largest_(k) {}
  void Combine(std::string_view, Values& values, CombinedValues& out) override {
    largest_.Take(values);
    for (const std::int64_t number : largest_.numbers()) out.Emit(number);
  }

 private:
  Largest largest_;
};

class TopReducer final : public Reducer {
 public:
  explicit TopReducer(std::size_t k) : largest_(k) {}
  void Reduce(std::string_view key, Values& values, Output& out) override {
    largest_.Take(values);
    text_.clear();
    for (const std::int64_t number : largest_.numbers()) {
      if (!text_.empty()) text_ += ',';
      text_ += DecimalNumber(number).view();
    }
    out.Emit(key, text_);
  }

 private:
  Largest largest_;
  std::string text_;
};

}  // namespace

Factory<Combiner> TopKCombiner(std::size_t k) {
  return New<TopCombiner>(k);
}

Factory<Reducer> TopKReducer(std::size_t k) {
  return New<TopReducer>(k);
}

}  // namespace trireme::mapreduce
