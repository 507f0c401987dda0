#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "kv/model/view.h"

namespace trireme::kv::inline engine {

/// The newest committed state, as every thread of the server sees it.
class Published {
 public:
  std::shared_ptr<const ReadView> view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  void Set(std::shared_ptr<const ReadView> view) {
    {
      const std::lock_guard lock(mutex_);
      view_.swap(view);
    }
    // The former one ends here, outside of the lock.
  }
  /// The state cannot go on: the view is not the newest any more.
  void Fail() { failed_ = true; }
  bool failed() const { return failed_; }

 private:
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const ReadView> view_;  // Guarded by mutex_.
};

}  // namespace trireme::kv::inline engine
