#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace trireme::kvcli {

/// A message as Go's JSON encoder writes etcd's generated structs: fields by their names in the
/// .proto, in order, those that have their default value left out; bytes in base64, enums as
/// numbers; a oneof as an object under its name. Pure.
std::string GoJson(const google::protobuf::Message& message);

/// The same without the braces and without anything before the first field.
std::string GoJsonFields(const google::protobuf::Message& message);

}  // namespace trireme::kvcli
