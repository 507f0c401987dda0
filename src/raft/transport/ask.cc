#include "raft/transport/ask.h"

#include <poll.h>

#include <utility>

#include <trireme/raft/bytes.h>
#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/transport/frame.h"
#include "raft/transport/frame_reader.h"
#include "rpc/address.h"
#include "rpc/out_queue.h"
#include "rpc/socket.h"
#include "rpc/sockets.h"

namespace trireme::raft::tcp {
namespace {

constexpr std::string_view kQuestion = "TRIREME?";
constexpr char kProtocol[] = "trireme-raft";
using SteadyClock = std::chrono::steady_clock;

/// One connection of one question, on the thread that asks.
class Asking {
 public:
  Asking(rpc::OwnedDescriptor descriptor, const rpc::TlsRole& tls, SteadyClock::time_point until)
      : descriptor_(std::move(descriptor)),
        until_(until),
        socket_(descriptor_.get(), tls),
        reader_(tls.context == nullptr),
        checksummed_(tls.context == nullptr) {
    reader_.set_body_bytes_max(kAnswerBytesMax);
  }

  absl::StatusOr<std::string> Ask(std::string_view question) {
    TRIREME_RETURN_IF_ERROR(Await(POLLOUT));
    TRIREME_RETURN_IF_ERROR(Repeat([this] { return socket_.Handshake(); }));
    Frame(question);
    while (!out_.empty()) TRIREME_RETURN_IF_ERROR(Repeat([this] { return socket_.Write(out_); }));
    return Answer();
  }

 private:
  absl::Status Await(short events) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until_ - SteadyClock::now()).count();
    pollfd polled = {.fd = descriptor_.get(), .events = events, .revents = 0};
    if (left > 0 && ::poll(&polled, 1, static_cast<int>(left)) > 0) return absl::OkStatus();
    return absl::UnavailableError("no answer in time");
  }

  template <typename Step>
  absl::Status Repeat(Step step) {
    for (;;) {
      const rpc::IoResult result = step();
      if (result == rpc::IoResult::kProgress) return absl::OkStatus();
      if (result == rpc::IoResult::kClosed) return socket_.error();
      TRIREME_RETURN_IF_ERROR(Await(result == rpc::IoResult::kWantRead ? POLLIN : POLLOUT));
    }
  }

  void Frame(std::string_view question) {
    const SharedBytes body = SharedBytes::Own(std::string(kQuestion).append(question));
    char header[kFrameHeaderBytes];
    EncodeFrameHeader(header, {&body, 1}, static_cast<std::uint32_t>(body.size()), checksummed_);
    out_.Append({header, sizeof header});
    out_.Append(body.view());
  }

  absl::StatusOr<std::string> Answer() {
    std::optional<std::string> answer;
    char buffer[4096];
    while (!answer) {
      std::size_t count = 0;
      TRIREME_RETURN_IF_ERROR(Repeat([&] { return socket_.Read(buffer, sizeof buffer, &count); }));
      TRIREME_RETURN_IF_ERROR(reader_.Take({buffer, count}, [&](SharedBytes body) {
        answer = std::string(body.view());
        return false;
      }));
    }
    return *std::move(answer);
  }

  const rpc::OwnedDescriptor descriptor_;
  const SteadyClock::time_point until_;
  rpc::Socket socket_;
  rpc::OutQueue out_;
  FrameReader reader_;
  const bool checksummed_;
};

absl::StatusOr<rpc::TlsRole> RoleTo(const rpc::Address& address,
                                    const std::optional<TcpTransportTls>& tls) {
  rpc::TlsRole role;
  if (!tls) return role;
  TRIREME_ASSIGN_OR_RETURN(
      role.context,
      rpc::MakeClientTls(
          {.ca_pem = tls->ca_pem,
           .certificate_chain_pem = tls->mutual ? tls->certificate_chain_pem : std::string(),
           .private_key_pem = tls->mutual ? tls->private_key_pem : std::string(),
           .protocol = kProtocol}));
  role.server_name = tls->server_name.empty() ? address.host : tls->server_name;
  return role;
}

}  // namespace

std::optional<std::string_view> QuestionIn(std::string_view body) {
  if (!body.starts_with(kQuestion)) return std::nullopt;
  return body.substr(kQuestion.size());
}

absl::StatusOr<std::string> Ask(const std::string& address,
                                const std::optional<TcpTransportTls>& tls,
                                std::string_view question, std::chrono::milliseconds timeout) {
  const SteadyClock::time_point until = SteadyClock::now() + timeout;
  TRIREME_ASSIGN_OR_RETURN(const rpc::Address parsed, rpc::ParseAddress(address));
  TRIREME_ASSIGN_OR_RETURN(const rpc::TlsRole role, RoleTo(parsed, tls));
  TRIREME_ASSIGN_OR_RETURN(const auto found, rpc::Resolve(parsed));
  absl::Status last = absl::UnavailableError(fmt::format("{} has no address", address));
  for (const rpc::SocketAddress& to : found) {
    auto descriptor = rpc::BeginConnect(to);
    if (!descriptor.ok()) {
      last = descriptor.status();
      continue;
    }
    auto answer = Asking(*std::move(descriptor), role, until).Ask(question);
    if (answer.ok()) return answer;
    last = answer.status();
  }
  return absl::UnavailableError(fmt::format("{}: {}", address, std::string(last.message())));
}

}  // namespace trireme::raft::tcp
