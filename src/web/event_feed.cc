#include "web/event_feed.h"

#include <utility>

#include "fmt/format.h"
#include "web/page_rules.h"

namespace trireme::web {

void EventFeed::Add(const rpc::HttpRequest& request, std::shared_ptr<rpc::HttpResponder> to) {
  const std::lock_guard lock(mutex_);
  if (closed_ || readers_count_->fetch_add(1) >= kEventReadersMax) {
    if (!closed_) readers_count_->fetch_sub(1);
    return to->Reply({503, "text/plain; charset=utf-8",
                      closed_ ? "the server stops\n"
                              : fmt::format("{} pages are being watched, which is the most; close "
                                            "one (kEventReadersMax)\n",
                                            kEventReadersMax),
                      std::string(kSafetyHeaders)});
  }
  to->BeginReply({200, "text/event-stream", "retry: 1000\n\n", std::string(kSafetyHeaders)});
  if (request.head) {
    readers_count_->fetch_sub(1);
    return to->End();
  }
  readers_.push_back({std::move(to)});
  if (version_ > 0) Write(readers_.back(), Clock::now(), event_);
}

void EventFeed::Set(std::string json) {
  const std::lock_guard lock(mutex_);
  if (json == json_) return;
  json_ = std::move(json);
  event_ = fmt::format("id: {}\nevent: state\ndata: {}\n\n", ++version_, json_);
}

void EventFeed::Write(Reader& reader, Clock::time_point now, const std::string& bytes) const {
  reader.to->Write(bytes);
  reader.version = version_;
  reader.written = now;
}

/// False: there is nothing more to do for this one.
bool EventFeed::Serve(Reader& reader, Clock::time_point now) const {
  if (reader.to->gone()) return false;
  if (reader.written == Clock::time_point{}) reader.written = now;
  const auto silent = now - reader.written;
  if (!reader.to->drained()) return silent < kEventStallMax;
  if (reader.version < version_) {
    Write(reader, now, event_);
  } else if (silent >= kEventSilenceMax) {
    Write(reader, now, ":\n\n");
  }
  return true;
}

void EventFeed::Pump(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(readers_, [&](Reader& reader) {
    if (Serve(reader, now)) return false;
    reader.to->End();
    readers_count_->fetch_sub(1);
    return true;
  });
}

bool EventFeed::wanted() const {
  const std::lock_guard lock(mutex_);
  return !readers_.empty();
}

void EventFeed::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Reader& reader : readers_) reader.to->End();
  readers_count_->fetch_sub(readers_.size());
  readers_.clear();
}

}  // namespace trireme::web
