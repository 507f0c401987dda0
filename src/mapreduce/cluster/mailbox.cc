#include "mapreduce/cluster/mailbox.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

namespace trireme::mapreduce {

Mailbox::Mailbox() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  TRIREME_CHECK(event_);
}

void Mailbox::Push(Word word) {
  const std::lock_guard lock(mutex_);
  words_.push_back(std::move(word));
  const std::uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);
}

std::optional<Word> Mailbox::TryPop() {
  const std::lock_guard lock(mutex_);
  if (words_.empty()) {
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
    return std::nullopt;
  }
  Word word = std::move(words_.front());
  words_.pop_front();
  return word;
}

Word Mailbox::Pop() {
  for (;;) {
    if (std::optional<Word> word = TryPop()) return std::move(*word);
    pollfd wait{event_.get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
  }
}

void Mailbox::Clear() {
  while (TryPop()) {
  }
}

}  // namespace trireme::mapreduce
