#include "reply_filter.h"

#include <algorithm>

namespace command {
namespace {
constexpr std::string_view kOpen = "<think>", kClose = "</think>", kBlanks = " \t\r\n";

std::string_view without_bracket(std::string_view tag) { return tag.substr(0, tag.size() - 1); }
}  // namespace

ReplyFilter::ReplyFilter(std::string_view reply_begin, Sink sink) : sink_(std::move(sink)) {
  if (reply_begin.ends_with(without_bracket(kClose))) after_bracket_ = State::kAnswer;
  else if (reply_begin.ends_with(without_bracket(kOpen))) after_bracket_ = State::kThink;
}

void ReplyFilter::push(std::string_view text) {
  held_ += text;
  if (held_.empty()) return;
  if (state_ == State::kBegin && !begin()) return;
  if (state_ == State::kThink && !think()) return;
  emit(held_, false);
  held_.clear();
}

bool ReplyFilter::begin() {
  if (after_bracket_ != State::kBegin) {
    if (held_[0] == '>') held_.erase(0, 1);
    state_ = after_bracket_;
    return true;
  }
  const size_t start = held_.find_first_not_of(kBlanks);
  if (start == std::string::npos) return false;
  const std::string_view text = std::string_view(held_).substr(start);
  if (text.size() < kOpen.size() && kOpen.starts_with(text)) return false;
  if (text.starts_with(kOpen)) {
    held_.erase(0, start + kOpen.size());
    state_ = State::kThink;
  } else {
    state_ = State::kAnswer;
  }
  return true;
}

bool ReplyFilter::think() {
  const size_t close = held_.find(kClose);
  if (close != std::string::npos) {
    emit(std::string_view(held_).substr(0, close), true);
    held_.erase(0, close + kClose.size());
    state_ = State::kAnswer;
    started_ = false;
    blanks_.clear();
    return true;
  }
  size_t keep = std::min(kClose.size() - 1, held_.size());
  while (!kClose.starts_with(std::string_view(held_).substr(held_.size() - keep))) --keep;
  emit(std::string_view(held_).substr(0, held_.size() - keep), true);
  held_.erase(0, held_.size() - keep);
  return false;
}

void ReplyFilter::emit(std::string_view text, bool thinking) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    // A model that writes blank lines for ever must not fill the memory.
    constexpr size_t kMaxBlanks = 4096;
    if (started_ && blanks_.size() < kMaxBlanks) blanks_ += text;
    return;
  }
  const size_t end = text.find_last_not_of(kBlanks) + 1;
  if (!started_) text.remove_prefix(begin);
  const size_t cut = started_ ? end : end - begin;
  sink_(blanks_ + std::string(text.substr(0, cut)), thinking);
  blanks_ = text.substr(cut);
  started_ = true;
}

void ReplyFilter::finish() {
  if (!held_.empty()) emit(held_, state_ == State::kThink);
  held_.clear();
}

}  // namespace command
