// The recurrences, one head (v4: some channels) of one sequence at a time. The state is [key j][value i]
// with values in lanes, so the sum over keys is one chain a lane: bits depend neither on the lane count
// nor on how many vectors are in flight.

constexpr size_t kMaxHead = 1024;  // checked when a model is built

inline void wkv4(const Wkv4Args& a) {
  for_each_vec(a.count, [&](size_t offset, size_t lanes) {
    const size_t i = a.first + offset;
    Vec aa = load(a.aa + i, lanes), bb = load(a.bb + i, lanes), pp = load(a.pp + i, lanes);
    const Vec decay = load(a.decay + i, lanes), bonus = load(a.bonus + i, lanes);
    for (size_t t = 0; t < a.n_row; ++t) {
      const size_t at = t * a.stride + i;
      const Vec k = load(a.k + at, lanes), v = load(a.v + at, lanes);
      const Vec now = bonus + k, top = max(pp, now);
      const Vec e1 = exp(pp - top), e2 = exp(now - top);
      const Vec y = mul_add(e1, aa, e2 * v) / mul_add(e1, bb, e2);
      store(a.out + at, load(a.r + at, lanes) * y, lanes);
      const Vec faded = pp + decay, next = max(faded, k);
      const Vec f1 = exp(faded - next), f2 = exp(k - next);
      aa = mul_add(f1, aa, f2 * v);
      bb = mul_add(f1, bb, f2);
      pp = next;
    }
    store(a.aa + i, aa, lanes);
    store(a.bb + i, bb, lanes);
    store(a.pp + i, pp, lanes);
  });
}

// Group norm, bonus * v, gate: the end of a head. y [size] is overwritten.
inline void finish_head(const HeadArgs& a, size_t t, float* y, float bonus, const float* v) {
  float mean = 0, scale = 1;
  if (a.norm_weight) moments(y, a.size, a.norm_eps, true, &mean, &scale);
  for_each_vec(a.size, [&](size_t i, size_t lanes) {
    Vec out = load(y + i, lanes);
    if (a.norm_weight)
      out = mul_add((out - set1(mean)) * set1(scale), load(a.norm_weight + i, lanes),
                    load(a.norm_bias + i, lanes));
    if (v) out = mul_add(set1(bonus), load(v + i, lanes), out);
    if (a.gate) out = out * load(a.gate + t * a.gate_stride + i, lanes);
    store(a.out + t * a.out_stride + i, out, lanes);
  });
}

// Calls f.template operator()<B>(i, lanes) for blocks of B vectors of value lanes.
template <typename F>
inline void for_each_lane_block(size_t size, F f) {
  size_t i = 0;
  for (; i + 4 * kLanes <= size; i += 4 * kLanes) f.template operator()<4>(i, kLanes);
  for (; i + kLanes <= size; i += kLanes) f.template operator()<1>(i, kLanes);
  if (i < size) f.template operator()<1>(i, size - i);
}

struct Token6 {
  const float *r, *k, *v, *w, *u;
};

template <size_t B>
inline void wkv6_lanes(const Token6& x, size_t size, float* state, size_t i, size_t lanes, float* y) {
  Vec out[B], v[B];
#pragma GCC unroll 4
  for (size_t b = 0; b < B; ++b) {
    out[b] = zero();
    v[b] = load(x.v + i + b * kLanes, lanes);
  }
  for (size_t j = 0; j < size; ++j) {
    float* row = state + j * size + i;
    const Vec r = set1(x.r[j]), w = set1(x.w[j]);
    const Vec k = set1(x.u ? x.k[j] : x.k[j] * (1.0f - x.w[j]));
#pragma GCC unroll 4
    for (size_t b = 0; b < B; ++b) {
      const Vec old = load(row + b * kLanes, lanes), kv = v[b] * k;
      const Vec next = mul_add(old, w, kv);
      store(row + b * kLanes, next, lanes);
      out[b] = mul_add(x.u ? mul_add(kv, set1(x.u[j]), old) : next, r, out[b]);
    }
  }
  const Vec scale = set1(x.u ? 1.0f : 1.0f / sqrtf(static_cast<float>(size)));
#pragma GCC unroll 4
  for (size_t b = 0; b < B; ++b)
    store(y + i + b * kLanes, x.u ? out[b] : out[b] * scale, lanes);
}

inline void wkv6(const Wkv6Args& a) {
  const HeadArgs& h = a.head;
  float y[kMaxHead];
  for (size_t t = 0; t < h.n_row; ++t) {
    const Token6 x{h.r + t * h.r_stride, h.k + t * h.k_stride, h.v + t * h.v_stride,
                   a.w + t * a.w_stride, a.u};
    for_each_lane_block(h.size, [&]<size_t B>(size_t i, size_t lanes) {
      wkv6_lanes<B>(x, h.size, h.state, i, lanes, y);
    });
    finish_head(h, t, y, 0, nullptr);
  }
}

// What one head needs of one token, besides r and w: kappa, kappa * a, the changed k and v.
struct Token7 {
  const float *r, *w;
  float kappa[kMaxHead], b[kMaxHead], k[kMaxHead], v[kMaxHead];
  float bonus;
};

inline void prepare_token7(const Wkv7Args& a, size_t t, Token7& x) {
  const HeadArgs& h = a.head;
  const float *k = h.k + t * h.k_stride, *v = h.v + t * h.v_stride, *in = a.a + t * a.a_stride;
  x.r = h.r + t * h.r_stride;
  x.w = a.w + t * a.w_stride;
  Vec squares = zero(), bonus = zero();
  for_each_vec(h.size, [&](size_t i, size_t lanes) {
    const Vec key = load(k + i, lanes), rate = load(in + i, lanes);
    const Vec kappa = key * load(a.k_k + i, lanes);
    squares = mul_add(kappa, kappa, squares);
    store(x.kappa + i, kappa, lanes);
    const Vec changed = key * mul_add(rate - set1(1), load(a.k_a + i, lanes), set1(1));
    store(x.k + i, changed, lanes);
    bonus = mul_add(load(x.r + i, lanes) * changed, load(a.r_k + i, lanes), bonus);
    Vec value = load(v + i, lanes);
    if (a.v_mix)
      value = mul_add(load(a.v_first + t * a.v_first_stride + i, lanes) - value,
                      load(a.v_mix + t * a.v_mix_stride + i, lanes), value);
    store(x.v + i, value, lanes);
  });
  x.bonus = sum(bonus);
  const float size = sqrtf(sum(squares));
  const Vec length = set1(size > 1e-12f ? size : 1e-12f);
  for_each_vec(h.size, [&](size_t i, size_t lanes) {
    const Vec kappa = load(x.kappa + i, lanes) / length;
    store(x.kappa + i, kappa, lanes);
    store(x.b + i, kappa * load(in + i, lanes), lanes);
  });
}

template <size_t B>
inline void wkv7_lanes(const Token7& x, size_t size, float* state, size_t i, size_t lanes, float* y) {
  Vec removed[B], out[B], v[B];
#pragma GCC unroll 4
  for (size_t b = 0; b < B; ++b) {
    removed[b] = out[b] = zero();
    v[b] = load(x.v + i + b * kLanes, lanes);
  }
  for (size_t j = 0; j < size; ++j) {
    const Vec kappa = set1(-x.kappa[j]);
#pragma GCC unroll 4
    for (size_t b = 0; b < B; ++b)
      removed[b] = mul_add(load(state + j * size + i + b * kLanes, lanes), kappa, removed[b]);
  }
  for (size_t j = 0; j < size; ++j) {
    float* row = state + j * size + i;
    const Vec w = set1(x.w[j]), k = set1(x.k[j]), rate = set1(x.b[j]), r = set1(x.r[j]);
#pragma GCC unroll 4
    for (size_t b = 0; b < B; ++b) {
      const Vec added = mul_add(removed[b], rate, v[b] * k);
      const Vec next = mul_add(load(row + b * kLanes, lanes), w, added);
      store(row + b * kLanes, next, lanes);
      out[b] = mul_add(next, r, out[b]);
    }
  }
#pragma GCC unroll 4
  for (size_t b = 0; b < B; ++b) store(y + i + b * kLanes, out[b], lanes);
}

inline void wkv7(const Wkv7Args& a) {
  const HeadArgs& h = a.head;
  float y[kMaxHead];
  Token7 x;
  for (size_t t = 0; t < h.n_row; ++t) {
    prepare_token7(a, t, x);
    for_each_lane_block(h.size, [&]<size_t B>(size_t i, size_t lanes) {
      wkv7_lanes<B>(x, h.size, h.state, i, lanes, y);
    });
    finish_head(h, t, y, x.bonus, x.v);
  }
}
