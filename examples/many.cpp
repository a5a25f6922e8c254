// Many conversations of one model in one step: each pass over the weights serves them all.
//   ./many MODEL TEXT TEXT ...
#include <rwkv.hpp>

#include <algorithm>
#include <cstdio>

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: many MODEL TEXT...\n");
    return 2;
  }
  const rwkv_api::Model model(argv[1]);
  std::vector<rwkv_api::Session> sessions;
  std::vector<rwkv_session*> handles;
  std::vector<int32_t> tokens;
  std::vector<size_t> counts;
  std::vector<std::string> texts(argv + 2, argv + argc);
  for (const std::string& text : texts) {
    handles.push_back(sessions.emplace_back(model).get());
    const std::vector<int32_t> prompt = model.tokenize(text);
    tokens.insert(tokens.end(), prompt.begin(), prompt.end());
    counts.push_back(prompt.size());
  }
  std::vector<float> logits(texts.size() * model.n_vocab());
  for (int step = 0; step < 40; ++step) {
    rwkv_api::check(rwkv_feed_many(handles.data(), handles.size(), tokens.data(), counts.data(), logits.data()));
    tokens.clear();
    counts.assign(texts.size(), 1);
    for (size_t i = 0; i < texts.size(); ++i) {  // greedy; rwkv_api::Sampler does better
      const float* row = logits.data() + i * model.n_vocab();
      tokens.push_back(static_cast<int32_t>(std::max_element(row, row + model.n_vocab()) - row));
      texts[i] += model.token_bytes(tokens.back());
    }
  }
  for (const std::string& text : texts) std::printf("%s\n---\n", text.c_str());
  return 0;
} catch (const rwkv_api::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
