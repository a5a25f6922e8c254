#include "backends/reference/ops.h"

#include <algorithm>
#include <cmath>

namespace rwkv::reference {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// (x - mean) / sqrt(variance + eps) * weight + bias, or x / rms * weight; biased variance.
void normalize(const double* x, size_t n, Norm::Kind kind, double eps, const float* weight,
               const float* bias, double* out) {
  double mean = 0, square = 0;
  if (kind == Norm::Kind::kLayer)
    for (size_t i = 0; i < n; ++i) mean += x[i] / static_cast<double>(n);
  for (size_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
  const double scale = 1 / std::sqrt(square + eps);
  for (size_t i = 0; i < n; ++i)
    out[i] = (x[i] - mean) * scale * weight[i] + (bias ? static_cast<double>(bias[i]) : 0.0);
}
void normalize(const Norm& norm, const double* x, size_t n, double* out) {
  normalize(x, n, norm.kind, static_cast<double>(norm.eps), norm.weight.data(),
            norm.bias.empty() ? nullptr : norm.bias.data(), out);
}

Array decode_row(const Matrix& m, size_t row) {
  std::vector<float> values(m.cols);
  const size_t bytes = bytes_of(m.dtype, m.cols);
  info(m.dtype).decode(m.bytes.data() + row * bytes, m.cols / info(m.dtype).block_values,
                       values.data());
  return Array(values.begin(), values.end());
}

// f(segment, first row, number of rows)
template <typename F>
void each_segment(Context& c, F f) {
  size_t first = 0;
  for (size_t s = 0; s < c.segments.size(); first += c.segments[s].n_row, ++s)
    f(s, first, c.segments[s].n_row);
}

// Group norm of one head's n outputs, then weight and bias; in place. `head` counts the outputs before.
void normalize_head(const HeadNorm& norm, size_t head, size_t n, double* y) {
  const Array x(y, y + n);
  normalize(x.data(), n, Norm::Kind::kLayer, static_cast<double>(norm.eps),
            norm.weight.data() + head * n, norm.bias.data() + head * n, y);
}

}  // namespace

double activate(Act act, double x) {
  switch (act) {
    case Act::kNone: return x;
    case Act::kTanh: return std::tanh(x);
    case Act::kSigmoid: return sigmoid(x);
    case Act::kSilu: return x * sigmoid(x);
    case Act::kRelu2: return x > 0 ? x * x : 0;
    case Act::kDecay6: return std::exp(-std::exp(x));
    case Act::kDecay7: return std::exp(-0.606531 * sigmoid(x));
  }
  return x;
}

void run(Context& c, const EmbedOp& op) {
  for (size_t t = 0; t < c.rows; ++t) {
    const Array x = decode_row(op.table, static_cast<size_t>(c.tokens[t]));
    if (op.norm) normalize(*op.norm, x.data(), x.size(), c.row(op.out, t));
    else std::copy(x.begin(), x.end(), c.row(op.out, t));
  }
}

void run(Context& c, const NormOp& op) {
  for (size_t t = 0; t < c.rows; ++t)
    normalize(op.norm, c.row(op.x, t), c.plan.value_width[op.x], c.row(op.out, t));
}

void run(Context& c, const NormShiftMixOp& op) {
  const size_t n = c.plan.value_width[op.x];
  Array h(n);
  each_segment(c, [&](size_t s, size_t first, size_t count) {
    double* p = c.state(s, op.shift);
    for (size_t t = first; t < first + count; ++t) {
      normalize(op.norm, c.row(op.x, t), n, h.data());
      for (size_t m = 0; m < op.mix.size(); ++m)
        for (size_t i = 0; i < n; ++i) {
          const double mix = static_cast<double>(op.mix[m][i]);
          c.row(op.out[m], t)[i] = op.mix_of == NormShiftMixOp::MixOf::kPrevious
                                       ? h[i] + (p[i] - h[i]) * mix
                                       : h[i] * mix + p[i] * (1 - mix);
        }
      for (size_t i = 0; i < n; ++i) {
        if (op.h) c.row(*op.h, t)[i] = h[i];
        if (op.diff) c.row(*op.diff, t)[i] = p[i] - h[i];
      }
      std::copy(h.begin(), h.end(), p);
    }
  });
}

void run(Context& c, const LinearOp& op) {
  for (const LinearPart& part : op.parts)
    for (size_t o = 0; o < part.weight.rows; ++o) {
      const Array w = decode_row(part.weight, o);
      for (size_t t = 0; t < c.rows; ++t) {
        const double* in = c.row(part.in, t) + part.in_offset;
        double y = part.bias.empty() ? 0.0 : static_cast<double>(part.bias[o]);
        for (size_t i = 0; i < w.size(); ++i) y += w[i] * in[i];
        y = activate(part.act, y);
        if (part.gate) y *= c.row(*part.gate, t)[o];
        if (part.mix_base) y = c.row(*part.mix_base, t)[o] + c.row(*part.mix_diff, t)[o] * y;
        double& out = c.row(part.out, t)[o];
        out = part.add ? out + y : y;
      }
    }
}

void run(Context& c, const Wkv4Op& op) {
  each_segment(c, [&](size_t s, size_t first, size_t count) {
    double *aa = c.state(s, op.aa), *bb = c.state(s, op.bb), *pp = c.state(s, op.pp);
    for (size_t t = first; t < first + count; ++t)
      for (size_t i = 0; i < op.decay.size(); ++i) {
        const double k = c.row(op.k, t)[i], v = c.row(op.v, t)[i];
        const double bonus = static_cast<double>(op.first[i]) + k;
        const double top = std::max(pp[i], bonus);
        const double old = std::exp(pp[i] - top), now = std::exp(bonus - top);
        c.row(op.out, t)[i] =
            c.row(op.r, t)[i] * (old * aa[i] + now * v) / (old * bb[i] + now);
        const double faded = pp[i] + static_cast<double>(op.decay[i]);
        const double next = std::max(faded, k);
        const double keep = std::exp(faded - next), take = std::exp(k - next);
        aa[i] = keep * aa[i] + take * v;
        bb[i] = keep * bb[i] + take;
        pp[i] = next;
      }
  });
}

void run(Context& c, const Wkv6Op& op) {
  const size_t n = op.head_size, share = op.n_head / op.n_head_kv;
  const bool gla = op.form == Wkv6Op::Form::kGla;
  Array y(n);
  each_segment(c, [&](size_t s, size_t first, size_t count) {
    for (size_t head = 0; head < op.n_head; ++head) {
      double* S = c.state(s, op.state) + head * n * n;
      for (size_t t = first; t < first + count; ++t) {
        const double* r = c.row(op.r, t) + head * n;
        const double* k = c.row(op.k, t) + head / share * n;
        const double* v = c.row(op.v, t) + head / share * n;
        std::fill(y.begin(), y.end(), 0.0);
        for (size_t i = 0; i < n; ++i) {
          const double w = op.decay_value ? c.row(*op.decay_value, t)[head * n + i]
                                          : static_cast<double>(op.decay[head * n + i]);
          const double u = gla ? 0.0 : static_cast<double>(op.u[head * n + i]);
          const double key = gla ? k[i] * (1 - w) : k[i];
          for (size_t j = 0; j < n; ++j) {
            double& state = S[i * n + j];
            const double kv = key * v[j], old = state;
            state = w * old + kv;
            y[j] += r[i] * (gla ? state / std::sqrt(static_cast<double>(n)) : u * kv + old);
          }
        }
        if (op.norm) normalize_head(*op.norm, head, n, y.data());
        for (size_t j = 0; j < n; ++j)
          c.row(op.out, t)[head * n + j] =
              y[j] * (op.gate ? c.row(*op.gate, t)[head * n + j] : 1.0);
      }
    }
  });
}

namespace {

// One head and token of v7; all pointers at the head's first channel, S [value i][key j].
struct Head7 {
  size_t n, head;
  const double *r, *w, *k_in, *v_in, *a, *v_mix, *v_first;
  double *S, *y;
};

void wkv7_head(const Wkv7Op& op, const Head7& x) {
  const size_t n = x.n, at = x.head * n;
  Array k(n), v(n), kappa(n);
  double norm = 0, bonus = 0;
  for (size_t j = 0; j < n; ++j) {
    kappa[j] = x.k_in[j] * static_cast<double>(op.k_k[at + j]);
    norm += kappa[j] * kappa[j];
  }
  norm = std::max(std::sqrt(norm), 1e-12);
  for (size_t j = 0; j < n; ++j) {
    kappa[j] /= norm;
    k[j] = x.k_in[j] * (1 + (x.a[j] - 1) * static_cast<double>(op.k_a[at + j]));
    v[j] = x.v_mix ? x.v_in[j] + (x.v_first[j] - x.v_in[j]) * x.v_mix[j] : x.v_in[j];
    bonus += x.r[j] * k[j] * static_cast<double>(op.r_k[at + j]);
  }
  for (size_t i = 0; i < n; ++i) {
    double* row = x.S + i * n;
    double removed = 0;
    for (size_t j = 0; j < n; ++j) removed -= row[j] * kappa[j];
    x.y[i] = 0;
    for (size_t j = 0; j < n; ++j) {
      row[j] = row[j] * x.w[j] + removed * kappa[j] * x.a[j] + v[i] * k[j];
      x.y[i] += row[j] * x.r[j];
    }
  }
  if (op.norm) normalize_head(*op.norm, x.head, n, x.y);
  for (size_t i = 0; i < n; ++i) x.y[i] += bonus * v[i];
}

}  // namespace

void run(Context& c, const Wkv7Op& op) {
  const size_t n = op.head_size;
  each_segment(c, [&](size_t s, size_t first, size_t count) {
    for (size_t head = 0; head < op.n_head; ++head)
      for (size_t t = first; t < first + count; ++t) {
        const size_t at = head * n;
        Head7 x{n, head, c.row(op.r, t) + at, c.row(op.w, t) + at, c.row(op.k, t) + at,
                c.row(op.v, t) + at, c.row(op.a, t) + at, nullptr, nullptr,
                c.state(s, op.state) + head * n * n, c.row(op.out, t) + at};
        if (op.v_mix) {
          x.v_mix = c.row(*op.v_mix, t) + at;
          x.v_first = c.row(*op.v_first, t) + at;
        }
        wkv7_head(op, x);
        for (size_t i = 0; op.gate && i < n; ++i) x.y[i] *= c.row(*op.gate, t)[at + i];
      }
  });
}

void run(Context& c, const DeepEmbedOp& op) {
  const size_t rank = c.plan.value_width[op.out];
  for (size_t t = 0; t < c.rows; ++t)
    for (size_t m = 0; m < rank; ++m) {
      double& out = c.row(op.out, t)[m] = 0;
      for (size_t i = 0; i < rank; ++i)
        out += c.row(op.low, t)[i] * c.row(op.embed, t)[i * rank + m];
    }
}

void run(Context& c, const ScaleOp& op) {
  for (double& x : c.values[op.x]) x *= static_cast<double>(op.factor);
}

}  // namespace rwkv::reference
