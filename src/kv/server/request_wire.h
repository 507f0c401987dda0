#pragma once

#include <cstdint>
#include <string_view>

#include "kv/model/requests.h"

/// etcd's request messages to the model's requests, whose views point into the message. False: the
/// bytes are not such a message.
namespace trireme::kv::inline engine {

bool ParseRange(std::string_view message, RangeRequest* request, bool* serializable);
bool ParsePut(std::string_view message, PutRequest* request);
bool ParseDeleteRange(std::string_view message, DeleteRangeRequest* request);
/// `serializable`: every operation is a range that asks for no more.
bool ParseTxn(std::string_view message, TxnRequest* request, bool* serializable);
/// `physical`: to be answered when the old versions are gone.
bool ParseCompact(std::string_view message, CompactRequest* request, bool* physical);

}  // namespace trireme::kv::inline engine
