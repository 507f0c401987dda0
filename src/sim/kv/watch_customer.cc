#include <map>
#include <string>
#include <vector>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"
#include "sim/kv/customer.h"
#include "sim/kv/customers.h"
#include "sim/kv/keys.h"

namespace trireme::sim {

namespace {

namespace pb = ::etcdserverpb;

/// Without a word for so long a stream is given up, as a broken connection is.
constexpr Micros kSilenceMax = 1'500 * kMillisecond;

class WatchCustomer final : public KvCustomer {
 public:
  WatchCustomer(std::uint64_t number, Surroundings around, Record* record)
      : KvCustomer(number, around, record) {
    static constexpr std::string_view kPrefixes[] = {kRegisterPrefix, kJunkPrefix, kLockPrefix,
                                                     kFencedPrefix};
    key_ = kPrefixes[random_.Below(std::size(kPrefixes))];
    end_ = key_.substr(0, 1) + "0";  // the byte after '/'
    if (random_.OneIn(3)) {
      key_ = '\0';
      end_ = key_;
    }
  }

  void BeginLast() override {
    KvCustomer::BeginLast();
    goal_ = record_.revision();
  }

 private:
  /// Looks after the stream now and then.
  void Step() override {
    if (finishing_ && next_ > goal_) {
      finished_ = true;
      return;
    }
    const Micros now = around_.queue->now();
    // At the end a node that has left the cluster is of no use, however alive it is.
    const bool broken = open_ && (now > heard_ + kSilenceMax || random_.OneIn(finishing_ ? 6 : 60));
    if (broken) Close();
    if (!open_) Open();
    if (finishing_ || random_.OneIn(10)) AskProgress();
    StepAfter(100 * kMillisecond);
  }

  void Open() {
    open_ = true;
    ++stream_;
    numbers_ = 0;
    early_.clear();
    partial_.clear();
    created_ = false;
    node_ = finishing_ ? NextNode(node_) : AnyNode();
    heard_ = around_.queue->now();
    pb::WatchRequest request;
    pb::WatchCreateRequest& create = *request.mutable_create_request();
    create.set_key(key_);
    create.set_range_end(end_);
    create.set_start_revision(next_);
    create.set_progress_notify(random_.OneIn(2));
    create.set_fragment(random_.OneIn(2));
    create.set_prev_kv(random_.OneIn(2));
    Ask(request);
  }
  void AskProgress() {
    if (!created_) return;
    pb::WatchRequest request;
    request.mutable_progress_request();
    Ask(request);
  }
  void Ask(const pb::WatchRequest& request) {
    auto ask = std::make_shared<WatchAsk>();
    ask->stream = stream_;
    ask->bytes = request.SerializeAsString();
    SendTo(node_, std::move(ask));
  }
  void Close() {
    open_ = false;
    auto close = std::make_shared<WatchClose>();
    close->stream = stream_;
    SendTo(node_, std::move(close));
  }

  /// In the order of their numbers, as a connection gives them.
  void OnMessage(Address, Payload& payload) override {
    const auto* say = As<WatchSay>(payload);
    if (say == nullptr || !open_ || say->stream != stream_ || say->number < numbers_) return;
    early_.emplace(say->number, say->bytes);
    while (open_ && !early_.empty() && early_.begin()->first == numbers_) {
      const std::string bytes = early_.begin()->second;
      early_.erase(early_.begin());
      ++numbers_;
      heard_ = around_.queue->now();
      Hear(bytes);
    }
    auto taken = std::make_shared<WatchTaken>();
    taken->stream = stream_;
    taken->next = numbers_;
    SendTo(node_, std::move(taken));
  }

  void Hear(const std::string& bytes) {
    pb::WatchResponse response;
    if (!response.ParseFromString(bytes)) return Wrong("sends what is no response");
    if (response.created()) {
      created_ = true;
      if (next_ == 0) next_ = response.header().revision() + 1;
    }
    if (response.canceled()) return HearCancelled(response);
    for (const auto& event : response.events()) {
      partial_.push_back({event.kv().mod_revision(), event.type() == mvccpb::Event::DELETE,
                          event.kv().key(),
                          event.type() == mvccpb::Event::DELETE ? "" : event.kv().value()});
    }
    if (response.fragment()) return;
    if (!partial_.empty()) return Complete();
    // A progress notification: all up to here has been sent.
    if (!response.created() && response.watch_id() != 0) Told(response.header().revision());
    if (!response.created() && response.watch_id() == 0) Told(response.header().revision());
  }

  void HearCancelled(const pb::WatchResponse& response) {
    const std::int64_t compacted = response.compact_revision();
    if (compacted == 0) return Wrong("is cancelled for no reason");
    if (next_ > compacted) {
      return Wrong(fmt::format("is cancelled for {} compacted, and wants {}", compacted, next_));
    }
    next_ = compacted;
    Close();
  }

  /// Whole revisions: all that happened in the range up to the last of them, once, in order.
  void Complete() {
    const std::int64_t last = partial_.back().revision;
    if (partial_.front().revision < next_) return Wrong("repeats a revision");
    const std::vector<RecordedEvent> expected = record_.EventsOf(key_, end_, next_, last);
    if (partial_ != expected) {
      return Wrong(fmt::format("gets {} events of revisions {} to {}, there were {}",
                               partial_.size(), next_, last, expected.size()));
    }
    partial_.clear();
    next_ = last + 1;
  }
  /// The server says that everything up to `revision` has been sent.
  void Told(std::int64_t revision) {
    if (revision < next_) return;
    if (!record_.EventsOf(key_, end_, next_, revision).empty()) {
      return Wrong(
          fmt::format("is told of progress to {} without the events from {} on", revision, next_));
    }
    next_ = revision + 1;
  }
  void Wrong(const std::string& what) {
    record_.Violation(fmt::format("the watch of {} on node {} {}", Name(), node_, what));
  }

  void Answer(const Answered&) override {}
  void Unknown() override {}

  std::string key_, end_;
  std::int64_t next_ = 0;  ///< All before it has been seen; 0: it begins with what comes.
  std::int64_t goal_ = 0;
  bool open_ = false, created_ = false;
  Address node_ = 1;
  std::uint64_t stream_ = 0;
  std::uint64_t numbers_ = 0;
  std::map<std::uint64_t, std::string> early_;
  std::vector<RecordedEvent> partial_;
  Micros heard_ = 0;
};

}  // namespace

std::unique_ptr<Customer> MakeWatchCustomer(std::uint64_t number, Surroundings around,
                                            Record* record) {
  return std::make_unique<WatchCustomer>(number, around, record);
}

}  // namespace trireme::sim
