#pragma once

#include <string>
#include <utility>

#include "google/protobuf/message_lite.h"
#include "rpc/payload.h"

namespace trireme::rpc {

/// How a message type meets the wire. Protobuf messages serialise; std::string and Payload are the
/// bytes themselves, for methods that carry large chunks. Stateless, thread-safe.
template <class Message>
struct Codec {
  static bool Parse(std::string bytes, Message* message) {
    return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  }
  static Payload Serialize(const Message& message) { return message.SerializeAsString(); }
};

template <>
struct Codec<std::string> {
  static bool Parse(std::string bytes, std::string* message) {
    *message = std::move(bytes);
    return true;
  }
  static Payload Serialize(std::string message) { return message; }
};

template <>
struct Codec<Payload> {
  static bool Parse(std::string bytes, Payload* message) {
    *message = std::move(bytes);
    return true;
  }
  static Payload Serialize(Payload message) { return message; }
};

}  // namespace trireme::rpc
