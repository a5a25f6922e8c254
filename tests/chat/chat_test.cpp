#include "chat/chat.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace rwkv::chat_test {
namespace {

TEST(chat, cleans_messages) {
  EXPECT_EQ(clean_message("  a\n\n\nb\r\n\r\nc \t\n"), "a\nb\nc");
  EXPECT_EQ(clean_message("\n\n"), "");
  EXPECT_EQ(clean_message("one"), "one");
  EXPECT_EQ(clean_message("\u3000\u4f60\u597d\u00a0\u2003\v"), "\u4f60\u597d");
  EXPECT_EQ(clean_message("\u3000\u3000"), "");
  EXPECT_EQ(clean_message("\xe3\x80"), "\xe3\x80");  // half of one is none
}

TEST(chat, chooses_the_template_by_the_model) {
  const auto chosen = [](const char* name, const char* version, const char* stated, size_t n_vocab) {
    return choose_template({name, version, stated, n_vocab});
  };
  EXPECT_EQ(chosen("RWKV-x070-World-1.5B-v3-20250127-ctx4096.pth", "v7", "", 65536), "rwkv-world");
  EXPECT_EQ(chosen("rwkv7-g1d-1.5b-20260212-ctx8192.pth", "v7", "", 65536), "g1");
  EXPECT_EQ(chosen("rwkv7-g0a3-7.2b-20251029.gguf", "v7", "", 65536), "g1");
  EXPECT_EQ(chosen("rwkv7-g1h-2.9b-20260701-ctx8192.pth", "v7", "", 65536), "g1h");
  EXPECT_EQ(chosen("RWKV-4-Raven-7B-v12-Eng98%.pth", "v4", "", 50277), "raven");
  EXPECT_EQ(chosen("anything", "rwkv6qwen2", "", 152064), "chatml");
  EXPECT_EQ(chosen("anything", "v7", "rwkv-world", 65536), "rwkv-world");
  EXPECT_EQ(chosen("RWKV7 G1d 2.9B", "v7", "rwkv-world", 65536), "g1");  // a converter's word for want of a better
  EXPECT_EQ(chosen("rwkv7-g1d-2.9b.gguf", "v7", "raven", 65536), "raven");
  EXPECT_EQ(chosen("g1d-2.9b-20260212.safetensors", "v7", "", 65536), "g1");
  EXPECT_EQ(chosen("rwkv7.g1g", "v7", "", 65536), "g1");
  EXPECT_EQ(chosen("rwkv7-g1j-2.9b", "v7", "", 65536), "g1h");
  EXPECT_EQ(chosen("rwkv7-g12-2.9b", "v7", "", 65536), "rwkv-world");
  EXPECT_EQ(chosen("anything", "v7", "{{ '<|im_start|>' }}", 65536), "chatml");
}

TEST(chat, renders_the_world_form) {
  const ChatTemplate t = make_chat_template("rwkv-world", "", {});
  EXPECT_EQ(t.message(Role::kSystem, "Be kind.") + t.message(Role::kUser, "hi") +
                t.message(Role::kAssistant, "hello") + t.message(Role::kUser, "bye") + t.reply_begin,
            "System: Be kind.\n\nUser: hi\n\nAssistant: hello\n\nUser: bye\n\nAssistant:");
}

TEST(chat, blank_lines_end_replies_of_world_models_only) {
  const auto has_blank = [](const char* name) {
    const ChatTemplate t = make_chat_template(name, "", {});
    return std::find(t.stops.begin(), t.stops.end(), "\n\n") != t.stops.end();
  };
  EXPECT_TRUE(has_blank("rwkv-world"));
  EXPECT_FALSE(has_blank("g1"));
  EXPECT_FALSE(has_blank("g1h"));
  EXPECT_FALSE(has_blank("chatml"));
}

TEST(chat, opens_replies_by_think_mode) {
  const auto begin = [](const char* mode) { return make_chat_template("g1", mode, {}).reply_begin; };
  EXPECT_EQ(begin("none"), "Assistant:");
  EXPECT_EQ(begin("fast"), "Assistant: <think>\n</think");
  EXPECT_EQ(begin("free"), "Assistant: <think");
  const ChatTemplate t = make_chat_template("g1", "short", {});
  EXPECT_EQ(t.message(Role::kUser, "why?"), "User: why? (think a bit)\n\n");
  EXPECT_EQ(t.think_end, "</think>");
  EXPECT_THROW(make_chat_template("rwkv-world", "free", {}), Error);
  EXPECT_THROW(make_chat_template("g1", "hard", {}), Error);
}

TEST(chat, keeps_blank_lines_in_chatml) {
  const ChatTemplate t = make_chat_template("chatml", "", {});
  EXPECT_EQ(t.message(Role::kUser, "a\n\nb"), "<|im_start|>user\na\n\nb<|im_end|>\n");
}

TEST(chat, takes_names_of_ones_own) {
  const ChatTemplate t = make_chat_template("custom:Human|Bot", "", {});
  EXPECT_EQ(t.message(Role::kUser, "hi") + t.reply_begin, "Human: hi\n\nBot:");
  EXPECT_THROW(make_chat_template("custom:Human", "", {}), Error);
}

}  // namespace
}  // namespace rwkv::chat_test
