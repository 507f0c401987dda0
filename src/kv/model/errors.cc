#include "kv/model/errors.h"

#include <array>

namespace trireme::kv::inline engine {
namespace {

struct Answer {
  int code;
  std::string_view text;
};

constexpr int kInvalidArgument = 3, kNotFound = 5, kResourceExhausted = 8, kFailedPrecondition = 9,
              kOutOfRange = 11;

/// In the order of Error.
constexpr std::array<Answer, 15> kAnswers = {{
    {0, ""},
    {kInvalidArgument, "etcdserver: key is not provided"},
    {kInvalidArgument, "etcdserver: key not found"},
    {kInvalidArgument, "etcdserver: value is provided"},
    {kInvalidArgument, "etcdserver: lease is provided"},
    {kInvalidArgument, "etcdserver: too many operations in txn request"},
    {kInvalidArgument, "etcdserver: duplicate key given in txn request"},
    {kInvalidArgument, "etcdserver: invalid sort option"},
    {kOutOfRange, "etcdserver: mvcc: required revision has been compacted"},
    {kOutOfRange, "etcdserver: mvcc: required revision is a future revision"},
    {kNotFound, "etcdserver: requested lease not found"},
    {kFailedPrecondition, "etcdserver: lease already exists"},
    {kOutOfRange, "etcdserver: too large lease TTL"},
    {kInvalidArgument, "etcdserver: request is too large"},
    {kResourceExhausted, "etcdserver: mvcc: database space exceeded"},
}};
static_assert(kAnswers.size() == static_cast<std::size_t>(Error::kNoSpace) + 1);

const Answer& Of(Error error) {
  return kAnswers[static_cast<std::size_t>(error)];
}

}  // namespace

int CodeOf(Error error) {
  return Of(error).code;
}
std::string_view TextOf(Error error) {
  return Of(error).text;
}

}  // namespace trireme::kv::inline engine
