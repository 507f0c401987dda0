#include "rpc/out_queue.h"

#include <utility>

namespace trireme::rpc {
namespace {

constexpr std::size_t kBufferBytes = 64u << 10;

}  // namespace

void OutQueue::Append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (last_ == nullptr || last_->size() + bytes.size() > kBufferBytes) {
    last_ = &segments_.emplace_back().bytes;
    *last_ = std::exchange(spare_, std::string());
  }
  last_->append(bytes);
  size_ += bytes.size();
}

void OutQueue::AppendShared(std::shared_ptr<const void> owner, std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  last_ = nullptr;
  segments_.push_back({std::string(), std::move(owner), bytes});
}

int OutQueue::Gather(iovec* vectors, int count_max) const {
  int count = 0;
  std::size_t offset = front_offset_;
  for (const Segment& segment : segments_) {
    if (count == count_max) break;
    const std::string_view view = segment.view().substr(offset);
    vectors[count++] = {const_cast<char*>(view.data()), view.size()};
    offset = 0;
  }
  return count;
}

void OutQueue::Consume(std::size_t count) {
  size_ -= count;
  front_offset_ += count;
  while (!segments_.empty() && front_offset_ >= segments_.front().view().size()) {
    Segment& front = segments_.front();
    front_offset_ -= front.view().size();
    if (!front.owner && front.bytes.capacity() > spare_.capacity()) {
      spare_ = std::move(front.bytes);
      spare_.clear();
    }
    segments_.pop_front();
  }
  if (segments_.empty()) last_ = nullptr;
}

}  // namespace trireme::rpc
