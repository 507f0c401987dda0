#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "kv/model/errors.h"
#include "sim/network.h"

/// What an etcd client and a server tell each other: the calls' own bytes, as on the wire.
namespace trireme::sim {

enum class KvMethod : std::uint8_t {
  kRange,
  kPut,
  kDeleteRange,
  kTxn,
  kCompact,
  kLeaseGrant,
  kLeaseKeepAlive,
};

struct Answered final : Letter {
  enum class State : std::uint8_t {
    kDone,
    kError,        ///< Refused by the state or the gate.
    kNotExecuted,  ///< Certainly not: ask `leader`, if it is known.
  };
  std::uint64_t call = 0;
  State state = State::kDone;
  std::string bytes;  ///< kDone: the response.
  kv::Error error = kv::Error::kNone;
  Address leader = 0;

  std::string Text() const override {
    return fmt::format("answers call {}: state {} error {}, {} bytes", call,
                       static_cast<int>(state), static_cast<int>(error), bytes.size());
  }
};

struct Ask final : Letter {
  std::uint64_t call = 0;
  KvMethod method = KvMethod::kRange;
  std::string bytes;

  std::string Text() const override {
    return fmt::format("call {}: method {}, {} bytes", call, static_cast<int>(method),
                       bytes.size());
  }
  std::shared_ptr<const Letter> Refusal() const override {
    auto answer = std::make_shared<Answered>();
    answer->call = call;
    answer->state = Answered::State::kNotExecuted;
    return answer;
  }
};

/// A message on a stream of watches; the first one opens it.
struct WatchAsk final : Letter {
  std::uint64_t stream = 0;
  std::string bytes;

  std::string Text() const override {
    return fmt::format("stream {}: a watch request of {} bytes", stream, bytes.size());
  }
};

/// One response of a stream. They are numbered from 0 on, as a connection would keep them in order.
struct WatchSay final : Letter {
  std::uint64_t stream = 0;
  std::uint64_t number = 0;
  std::string bytes;

  std::string Text() const override {
    return fmt::format("stream {}: response {} of {} bytes", stream, number, bytes.size());
  }
};

/// The client has taken all responses before `next`.
struct WatchTaken final : Letter {
  std::uint64_t stream = 0;
  std::uint64_t next = 0;

  std::string Text() const override { return fmt::format("stream {}: has taken {}", stream, next); }
};

/// The client has closed it.
struct WatchClose final : Letter {
  std::uint64_t stream = 0;

  std::string Text() const override { return fmt::format("stream {}: closed", stream); }
};

/// The letter as a T, or null.
template <typename T>
const T* As(const Payload& payload) {
  const auto* letter = std::get_if<std::shared_ptr<const Letter>>(&payload);
  return letter == nullptr ? nullptr : dynamic_cast<const T*>(letter->get());
}

}  // namespace trireme::sim
