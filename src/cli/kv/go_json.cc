#include "cli/kv/go_json.h"

#include <cctype>
#include <string_view>

#include "cli/kv/go_text.h"
#include "fmt/format.h"
#include "google/protobuf/descriptor.h"

namespace trireme::kvcli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// "response_range" as Go's generator names it: "ResponseRange".
std::string GoName(std::string_view name) {
  std::string out;
  bool capital = true;
  for (const char c : name) {
    if (c != '_') out += capital ? static_cast<char>(std::toupper(c)) : c;
    capital = c == '_';
  }
  return out;
}

std::string TextValue(const FieldDescriptor& field, const std::string& text) {
  return field.type() == FieldDescriptor::TYPE_BYTES ? fmt::format("\"{}\"", Base64(text))
                                                     : JsonQuote(text);
}

std::string One(const Message& message, const FieldDescriptor& field) {
  const Reflection& of = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return fmt::format("{}", of.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return fmt::format("{}", of.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return fmt::format("{}", of.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return fmt::format("{}", of.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return fmt::format("{}", of.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return fmt::format("{}", of.GetFloat(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return of.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return fmt::format("{}", of.GetEnumValue(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return TextValue(field, of.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return GoJson(of.GetMessage(message, &field));
  }
  return "null";
}

std::string Many(const Message& message, const FieldDescriptor& field) {
  const Reflection& of = *message.GetReflection();
  std::string out;
  for (int i = 0; i < of.FieldSize(message, &field); ++i) {
    if (i > 0) out += ",";
    // etcd's answers repeat nothing but strings, bytes and messages.
    out += field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
               ? GoJson(of.GetRepeatedMessage(message, &field, i))
               : TextValue(field, of.GetRepeatedString(message, &field, i));
  }
  return "[" + out + "]";
}

std::string Member(const Message& message, const FieldDescriptor& field) {
  if (field.is_repeated()) return fmt::format("\"{}\":{}", field.name(), Many(message, field));
  if (field.containing_oneof() == nullptr)
    return fmt::format("\"{}\":{}", field.name(), One(message, field));
  return fmt::format("\"{}\":{{\"{}\":{}}}", GoName(field.containing_oneof()->name()),
                     GoName(field.name()), One(message, field));
}

bool Present(const Message& message, const FieldDescriptor& field) {
  const Reflection& of = *message.GetReflection();
  return field.is_repeated() ? of.FieldSize(message, &field) > 0 : of.HasField(message, &field);
}

}  // namespace

std::string GoJsonFields(const Message& message) {
  std::string out;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (!Present(message, field)) continue;
    if (!out.empty()) out += ",";
    out += Member(message, field);
  }
  return out;
}

std::string GoJson(const Message& message) {
  return "{" + GoJsonFields(message) + "}";
}

}  // namespace trireme::kvcli
