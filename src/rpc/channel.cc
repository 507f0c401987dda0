#include "rpc/channel.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "rpc/block_pool.h"
#include "rpc/client_session.h"
#include "rpc/client_stream.h"
#include "rpc/connector.h"
#include "rpc/status.h"

namespace trireme::rpc {
namespace {

SessionOptions SessionOptionsOf(const ChannelOptions& options) {
  SessionOptions result;
  result.metadata_bytes_max = options.metadata_bytes_max;
  result.keepalive_interval = options.keepalive_interval;
  result.keepalive_timeout = options.keepalive_timeout;
  result.header_timeout = absl::InfiniteDuration();
  return result;
}

std::string AuthorityOf(const Address& address) {
  return address.kind == Address::Kind::kUnix ? "localhost" : address.ToString();
}

/// A unary call's reply and metadata, gathered for its one callback.
class UnaryHandler final : public ReplyHandler {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>, ReplyMetadata)>;
  explicit UnaryHandler(Done done) : done_(std::move(done)) {}

  void OnInitialMetadata(Metadata metadata) override { metadata_.initial = std::move(metadata); }
  void OnMessage(std::string message) override {
    reply_ = std::move(message);
    ++replies_;
  }
  void OnDone(absl::Status status, Metadata trailing) override {
    metadata_.trailing = std::move(trailing);
    if (status.ok() && replies_ != 1) {
      status =
          absl::InternalError(fmt::format("a unary call ended with OK and {} replies", replies_));
    }
    if (status.ok()) {
      done_(std::move(reply_), std::move(metadata_));
    } else {
      done_(std::move(status), std::move(metadata_));
    }
  }

 private:
  Done done_;
  std::string reply_;
  int replies_ = 0;
  ReplyMetadata metadata_;
};

}  // namespace

/// The channel's state, on the loop thread: the connection, or the attempt to make one.
class Channel::Core final : public ClientSession::Owner,
                            public std::enable_shared_from_this<Channel::Core> {
 public:
  Core(Address address, ChannelOptions options, TlsContext tls)
      : address_(std::move(address)),
        options_(std::move(options)),
        loop_(options_.loop ? options_.loop : Loop::Shared()),
        tls_{std::move(tls), false, ServerName()},
        authority_(AuthorityOf(address_)),
        random_(static_cast<std::uint64_t>(Loop::Clock::now().time_since_epoch().count())) {}

  const Address& address() const { return address_; }
  const ChannelOptions& options() const { return options_; }
  const std::shared_ptr<Loop>& loop() const { return loop_; }

  void Begin(std::shared_ptr<ClientStream> call);
  void Close();

 private:
  enum class State { kIdle, kConnecting, kReady, kWaiting, kClosed };

  struct Alarm final : Loop::Timer {
    explicit Alarm(Core* c) : core(c) {}
    void OnTimer() override { core->OnAlarm(); }
    Core* core;
  };

  std::string ServerName() const {
    if (!options_.tls) return "";
    return options_.tls->server_name.empty() ? address_.host : options_.tls->server_name;
  }
  void Dispatch(std::shared_ptr<ClientStream> call);
  void Submit(std::shared_ptr<ClientStream> call);
  void Connect();
  void OnConnected(absl::StatusOr<OwnedDescriptor> descriptor);
  void OnAttemptFailed(const absl::Status& why);
  void OnAlarm();
  void FailWaiting(const absl::Status& why, bool all);
  void OnSessionReady(ClientSession& session) override;
  void OnSessionDraining(ClientSession& session) override;
  void OnSessionLost(ClientSession& session, const absl::Status& why) override;

  const Address address_;
  const ChannelOptions options_;
  const std::shared_ptr<Loop> loop_;
  const TlsRole tls_;
  const std::string authority_;
  Random random_;

  State state_ = State::kIdle;
  std::shared_ptr<Connector> connector_;                  // kConnecting, until the socket is there.
  std::shared_ptr<ClientSession> session_;                // kConnecting (handshake) or kReady.
  std::vector<std::shared_ptr<ClientSession>> draining_;  // After GOAWAY, until their calls end.
  std::vector<std::shared_ptr<ClientStream>> waiting_;    // For a connection.
  absl::Status last_error_;
  absl::Duration delay_ = absl::ZeroDuration();  // Of the next back-off.
  Alarm alarm_{this};                            // Connect timeout or end of back-off.
};

void Channel::Core::Begin(std::shared_ptr<ClientStream> call) {
  call->Begin();
  call->SetRetry([weak = weak_from_this()](std::shared_ptr<ClientStream> again) {
    const auto core = weak.lock();
    if (core == nullptr) return again->Fail(absl::CancelledError("the channel was closed"));
    // Not from within the callbacks of the connection that is going down.
    core->loop_->Post(
        [core, again = std::move(again)]() mutable { core->Dispatch(std::move(again)); });
  });
  Dispatch(std::move(call));
}

void Channel::Core::Dispatch(std::shared_ptr<ClientStream> call) {
  if (call->done()) return;
  switch (state_) {
    case State::kClosed:
      return call->Fail(absl::CancelledError("the channel was closed"));
    case State::kReady:
      return Submit(std::move(call));
    case State::kWaiting:
      if (!call->wait_for_ready()) return call->Fail(last_error_);
      break;
    case State::kIdle:
      Connect();
      break;
    case State::kConnecting:
      break;
  }
  waiting_.push_back(std::move(call));
}

void Channel::Core::Submit(std::shared_ptr<ClientStream> call) {
  call->Submit(*session_, tls_.context ? "https" : "http", authority_);
}

void Channel::Core::Connect() {
  state_ = State::kConnecting;
  loop_->Arm(alarm_, Loop::Clock::now() + ToLoopDuration(options_.connect_timeout));
  connector_ = std::make_shared<Connector>(
      loop_, address_,
      [this](absl::StatusOr<OwnedDescriptor> descriptor) { OnConnected(std::move(descriptor)); });
  // Not at once: an immediate failure must find the caller's call among the waiting.
  loop_->Post([connector = connector_] { connector->Start(); });
}

void Channel::Core::OnConnected(absl::StatusOr<OwnedDescriptor> descriptor) {
  connector_ = nullptr;
  if (!descriptor.ok()) return OnAttemptFailed(descriptor.status());
  auto transport =
      std::make_shared<Transport>(loop_, descriptor->release(), tls_, address_.ToString());
  session_ =
      std::make_shared<ClientSession>(transport, SessionOptionsOf(options_), weak_from_this());
  transport->Start(session_);
}

void Channel::Core::OnAttemptFailed(const absl::Status& why) {
  delay_ = delay_ == absl::ZeroDuration() ? options_.reconnect_delay_min
                                          : std::min(2 * delay_, options_.reconnect_delay_max);
  state_ = State::kWaiting;
  last_error_ = absl::UnavailableError(
      fmt::format("{} cannot be reached: {}; is a server running there?", address_.ToString(),
                  std::string_view(why.message().data(), why.message().size())));
  const double jitter = 0.8 + 0.4 * random_.Unit();
  loop_->Arm(alarm_, Loop::Clock::now() + ToLoopDuration(jitter * delay_));
  FailWaiting(last_error_, false);
}

void Channel::Core::OnAlarm() {
  if (state_ == State::kConnecting) {
    const absl::Status timeout = absl::UnavailableError(
        fmt::format("no connection within {}", absl::FormatDuration(options_.connect_timeout)));
    if (connector_) {
      std::exchange(connector_, nullptr)->Cancel();
      OnAttemptFailed(timeout);
    } else if (session_) {
      session_->Close(timeout);
    }
    return;
  }
  if (state_ != State::kWaiting) return;
  state_ = State::kIdle;
  std::erase_if(waiting_, [](const auto& call) { return call->done(); });
  if (!waiting_.empty()) Connect();
}

void Channel::Core::FailWaiting(const absl::Status& why, bool all) {
  std::vector<std::shared_ptr<ClientStream>> failed;
  std::erase_if(waiting_, [&](auto& call) {
    if (!all && call->wait_for_ready()) return call->done();
    failed.push_back(std::move(call));
    return true;
  });
  for (const auto& call : failed) call->Fail(why);
}

void Channel::Core::OnSessionReady(ClientSession& session) {
  if (&session != session_.get() || state_ != State::kConnecting) return;
  state_ = State::kReady;
  delay_ = absl::ZeroDuration();
  loop_->Disarm(alarm_);
  for (auto& call : std::exchange(waiting_, {})) Dispatch(std::move(call));
}

void Channel::Core::OnSessionDraining(ClientSession& session) {
  if (&session != session_.get()) return;
  draining_.push_back(std::exchange(session_, nullptr));
  if (state_ == State::kReady) {
    state_ = State::kIdle;
  } else if (state_ == State::kConnecting) {
    loop_->Disarm(alarm_);
    OnAttemptFailed(absl::UnavailableError("the server is going away"));
  }
}

void Channel::Core::OnSessionLost(ClientSession& session, const absl::Status& why) {
  std::erase_if(draining_, [&](const auto& one) { return one.get() == &session; });
  if (&session != session_.get()) return;
  session_ = nullptr;
  if (state_ == State::kConnecting) {
    loop_->Disarm(alarm_);
    OnAttemptFailed(why);
  } else if (state_ == State::kReady) {
    state_ = State::kIdle;
    if (!waiting_.empty()) Connect();
  }
}

void Channel::Core::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  loop_->Disarm(alarm_);
  if (connector_) std::exchange(connector_, nullptr)->Cancel();
  const absl::Status why = absl::CancelledError("the channel was closed");
  FailWaiting(why, true);
  std::vector<std::shared_ptr<ClientSession>> sessions = std::exchange(draining_, {});
  if (session_) sessions.push_back(std::exchange(session_, nullptr));
  for (const auto& session : sessions) session->Close(why);
}

Channel::Channel(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Channel::~Channel() {
  Close();
}

absl::StatusOr<std::shared_ptr<Channel>> Channel::Create(Address address, ChannelOptions options) {
  TlsContext tls;
  if (options.tls) {
    TRIREME_ASSIGN_OR_RETURN(tls, MakeClientTls(*options.tls));
  }
  return std::shared_ptr<Channel>(
      new Channel(std::make_shared<Core>(std::move(address), std::move(options), std::move(tls))));
}

std::shared_ptr<ClientCall> Channel::Start(std::string_view method, CallOptions options,
                                           std::unique_ptr<ReplyHandler> handler) {
  const std::size_t receive_max = options.receive_message_bytes_max != 0
                                      ? options.receive_message_bytes_max
                                      : core_->options().receive_message_bytes_max;
  auto call = std::allocate_shared<ClientStream>(
      BlockAllocator<ClientStream>(), core_->loop(), method, std::move(options), std::move(handler),
      receive_max, core_->options().send_queue_bytes_max);
  core_->loop()->Post([core = core_, call] { core->Begin(call); });
  return call;
}

std::shared_ptr<ClientCall> Channel::StartUnary(
    std::string_view method, Payload request, CallOptions options,
    absl::AnyInvocable<void(absl::StatusOr<std::string>, ReplyMetadata)> done) {
  const std::size_t receive_max = options.receive_message_bytes_max != 0
                                      ? options.receive_message_bytes_max
                                      : core_->options().receive_message_bytes_max;
  auto call = std::allocate_shared<ClientStream>(
      BlockAllocator<ClientStream>(), core_->loop(), method, std::move(options),
      std::make_unique<UnaryHandler>(std::move(done)), receive_max,
      core_->options().send_queue_bytes_max);
  call->SetOnlyRequest(std::move(request));
  core_->loop()->Post([core = core_, call] { core->Begin(call); });
  return call;
}

void Channel::Close() {
  const std::shared_ptr<Loop>& loop = core_->loop();
  if (loop->InThread()) return core_->Close();
  std::promise<void> closed;
  std::future<void> finished = closed.get_future();
  // A stopped loop drops the task and its promise with it, which ends the wait too.
  loop->Post([core = core_, closed = std::move(closed)]() mutable {
    core->Close();
    closed.set_value();
  });
  finished.wait();
}

const Address& Channel::address() const {
  return core_->address();
}
const std::shared_ptr<Loop>& Channel::loop() const {
  return core_->loop();
}

}  // namespace trireme::rpc
