// rwkv run: completes a text.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "draft.h"

namespace command {
namespace {

// The text goes on until the model ends it, a stop string comes, -n is reached or Ctrl-C is pressed.
void generate(const Options& options, rwkv_api::Session& session, rwkv_api::Sampler& sampler,
              const std::vector<int32_t>& tokens, const Draft& draft, const std::vector<float>& logits,
              Timings& timings) {
  auto o = rwkv_api::options<rwkv_generation_options>();
  std::vector<const char*> stops;
  for (const std::string& stop : options.reverse_prompts) stops.push_back(stop.c_str());
  o.max_token = options.n_predict < 0 ? 0 : static_cast<uint64_t>(options.n_predict);
  o.stops = stops.data();
  o.n_stop = stops.size();
  o.ignore_end = options.ignore_end;
  o.n_draft = draft.n_guess();
  o.context = tokens.data();
  o.n_context = tokens.size();
  o.draft = draft.get();
  const bool terminal = is_terminal(STDOUT_FILENO);
  rwkv_api::Generation generation(session, sampler, o, logits);
  const Stopwatch watch;
  for (rwkv_finish finish = RWKV_FINISH_NOT; finish == RWKV_FINISH_NOT;) {
    if (interrupted) {
      print(generation.stop(), terminal);
      break;
    }
    const auto piece = generation.next();
    print(piece.text, terminal);
    finish = piece.finish;
  }
  timings.decode_s = watch.seconds();
  timings.n_decode = generation.n_token();
  timings.n_guessed = generation.guesses().guessed;
  timings.n_accepted = generation.guesses().accepted;
  if (terminal) std::printf("\n");
}

}  // namespace

int run(const Options& options) {
  catch_interrupt();
  if (!options.state_out.empty()) check_writable(options.state_out);
  const std::string prompt = read_prompt(options, true);
  Timings timings;
  const Stopwatch load;
  const rwkv_api::Model model = open_model(options);
  timings.load_s = load.seconds();
  rwkv_api::Session session(model);
  if (!options.init_state.empty()) session.restore(rwkv_api::Snapshot::load(model, options.init_state));
  if (!options.state_in.empty()) session.restore(rwkv_api::Snapshot::load(model, options.state_in));
  std::vector<rwkv_logit_bias> bias;
  rwkv_api::Sampler sampler(model, sampler_options(options.sampling, "pip", bias));

  std::vector<int32_t> tokens = tokens_to_read(model, prompt, options.special);
  const bool continues = !options.state_in.empty();
  if (tokens.empty() && continues && options.n_predict != 0)
    throw Failure("--state-in " + options.state_in + " and no prompt: a state does not hold the next token's odds; "
                  "give the next words with -p");
  if (int waiting = 0; tokens.empty() && !options.quiet && ::ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting > 0 &&
                       !is_terminal(STDIN_FILENO))
    std::fprintf(stderr, "rwkv: what came on standard input is not read; -p - reads it as the prompt, rwkv chat as turns\n");
  // Without a text the model starts a document: token 0 stands between documents in training.
  if (tokens.empty() && !continues) tokens.push_back(0);
  if (is_terminal(STDOUT_FILENO) && !options.quiet && !options.no_echo) print(prompt, true);
  sampler.accept_prompt(tokens);
  Draft draft(options, model);
  draft.read(tokens);
  const Stopwatch reading;
  const uint64_t n_before = session.n_token();
  const std::vector<float> logits = prefill(session, tokens);
  timings.prefill_s = reading.seconds();
  timings.n_prefill = session.n_token() - n_before;
  if (options.n_predict != 0 && !interrupted)
    generate(options, session, sampler, tokens, draft, logits, timings);
  if (const uint64_t n_read = timings.n_prefill; interrupted && n_read < tokens.size() && !options.state_out.empty())
    throw Interrupted("interrupted after " + std::to_string(n_read) + " of the prompt's " + std::to_string(tokens.size()) +
                      " tokens: " + options.state_out + " is not written");
  if (!options.state_out.empty()) session.snapshot().save(options.state_out);
  if (!options.quiet) {
    if (!is_terminal(STDOUT_FILENO)) std::fputc('\n', stderr);  // in a log of both, the text has ended
    timings.print();
  }
  return interrupted ? 130 : 0;
}

}  // namespace command
